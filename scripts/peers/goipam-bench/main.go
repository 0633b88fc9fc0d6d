// Command goipam-bench measures metal-stack's go-ipam on a PostgreSQL server: how many addresses a second a number of
// concurrent clients acquire from ONE prefix. It is the other side of our own benchmark.
//
//	goipam-bench -host 127.0.0.1 -port 5432 -user postgres -password x -db ipam -clients 64 -seconds 10
//	goipam-bench ... -marks 10,1000,5000 -window 100
//
// With marks one client acquires, and for the addresses after each mark it prints two lines: that the window begins, and
// when it ends how long its acquisitions took and how much CPU time of this process.
//
// Each run has a namespace of its own and so an empty prefix, because there an acquisition gets dearer with every
// address held. Prints one JSON object: clients, seconds, acquired, per_second, failures, twice, p50_ms, p99_ms.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	ipam "github.com/metal-stack/go-ipam"
)

// tally is what one client saw; each client fills its own, so that counting does not become the bottleneck.
type tally struct {
	addresses []string
	millis    []float64
	failures  int
}

func main() {
	host := flag.String("host", "127.0.0.1", "PostgreSQL host")
	port := flag.String("port", "5432", "PostgreSQL port")
	user := flag.String("user", "postgres", "PostgreSQL user")
	password := flag.String("password", "postgres", "its password")
	db := flag.String("db", "postgres", "database; go-ipam makes its table there")
	clients := flag.Int("clients", 64, "concurrent clients")
	seconds := flag.Int("seconds", 10, "how long they acquire")
	cidr := flag.String("prefix", "10.64.0.0/12", "the one prefix")
	marks := flag.String("marks", "", "measure the acquisitions after so many addresses each, ascending, instead of a time")
	window := flag.Int("window", 100, "acquisitions measured after each mark")
	flag.Parse()

	slog.SetDefault(slog.New(slog.NewTextHandler(io.Discard, nil)))
	storage, err := ipam.NewPostgresStorage(*host, *port, *user, *password, *db, ipam.SSLModeDisable)
	exitOn("storage", err)
	addresses := ipam.NewWithStorage(storage)
	namespace := fmt.Sprintf("bench-%d", time.Now().UnixNano())
	exitOn("namespace", addresses.CreateNamespace(context.Background(), namespace))
	ctx := ipam.NewContextWithNamespace(context.Background(), namespace)
	prefix, err := addresses.NewPrefix(ctx, *cidr)
	exitOn("prefix", err)

	if *marks != "" {
		acquireByMarks(ctx, addresses, prefix.Cidr, *marks, *window)
		return
	}

	tallies := make([]tally, *clients)
	start := time.Now()
	deadline := start.Add(time.Duration(*seconds) * time.Second)
	var all sync.WaitGroup
	for i := range tallies {
		all.Go(func() { tallies[i].acquireUntil(deadline, ctx, addresses, prefix.Cidr) })
	}
	all.Wait()
	report(*clients, time.Since(start).Seconds(), tallies)
}

func (t *tally) acquireUntil(deadline time.Time, ctx context.Context, addresses ipam.Ipamer, cidr string) {
	for time.Now().Before(deadline) {
		asked := time.Now()
		ip, err := addresses.AcquireIP(ctx, cidr)
		if err != nil {
			t.failures++
			continue
		}
		t.millis = append(t.millis, float64(time.Since(asked).Microseconds())/1000)
		t.addresses = append(t.addresses, ip.IP.String())
	}
}

type markLine struct {
	Is    string  `json:"is"`
	Mark  int     `json:"mark"`
	Count int     `json:"count"`
	Ms    float64 `json:"ms"`
	CpuMs float64 `json:"cpu_ms"`
}

func acquireByMarks(ctx context.Context, addresses ipam.Ipamer, cidr, marks string, window int) {
	out := json.NewEncoder(os.Stdout)
	held := 0
	acquire := func(count int) {
		for range count {
			_, err := addresses.AcquireIP(ctx, cidr)
			exitOn("acquire", err)
			held++
		}
	}
	for text := range strings.SplitSeq(marks, ",") {
		mark, err := strconv.Atoi(text)
		exitOn("marks", err)
		acquire(mark - held)
		exitOn("report", out.Encode(markLine{Is: "begin", Mark: mark}))
		cpu, start := cpuMs(), time.Now()
		acquire(window)
		ms := float64(time.Since(start).Microseconds()) / 1000
		exitOn("report", out.Encode(markLine{Is: "end", Mark: mark, Count: window, Ms: ms, CpuMs: cpuMs() - cpu}))
	}
}

// cpuMs is the user and system time of this process so far.
func cpuMs() float64 {
	var usage syscall.Rusage
	exitOn("rusage", syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
}

func report(clients int, seconds float64, tallies []tally) {
	var millis []float64
	failures, twice := 0, 0
	seen := map[string]int{}
	for _, t := range tallies {
		millis = append(millis, t.millis...)
		failures += t.failures
		for _, address := range t.addresses {
			seen[address]++
			if seen[address] == 2 {
				twice++
			}
		}
	}
	slices.Sort(millis)
	quantile := func(q float64) float64 {
		if len(millis) == 0 {
			return 0
		}
		return millis[int(q*float64(len(millis)-1))]
	}
	exitOn("report", json.NewEncoder(os.Stdout).Encode(map[string]any{
		"clients": clients, "seconds": seconds, "acquired": len(millis), "per_second": float64(len(millis)) / seconds,
		"failures": failures, "twice": twice, "p50_ms": quantile(0.5), "p99_ms": quantile(0.99),
	}))
}

func exitOn(what string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", what, err)
		os.Exit(1)
	}
}
