// Command metal-go drives a control plane through a plant's day with metal-stack's own generated REST client, the library
// inside metalctl: what this program can't read, an unmodified metalctl can't read either.
//
//	metal-go [-partitions muc,fra] [-via URL | -via PARTITION=URL]...
//
//	METALCTL_API_URL          base address, as metalctl reads it (default http://localhost:8080)
//	METALCTL_HMAC             admin key
//	METALCTL_HMAC_AUTH_TYPE   its user (default Metal-Admin)
//	ACCEPTANCE_PARTITIONS     as -partitions; default: all that the server lists
//
// Each -via names another address of the same plane. The steps of one partition are run through it once more, while the
// reading back goes through METALCTL_API_URL. A bare URL stands for fra, or the last partition where there is no fra.
//
// Sizes, images, layouts, super networks and the internet are found through the API; what is missing is created and taken
// away again, like everything else the program makes, also after a failure or an interrupt. Every name it gives begins
// with "acc-" and ends with a fresh suffix, so runs can be repeated and may overlap.
//
// One line a step: "ok 12 machine allocate in fra (34 ms)", "not ok 12 ..." followed by the indented error; the last line
// is "N passed, N failed". Exit 1 if a step failed, 2 if the program was called wrongly.
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

// run is the state that steps hand on to later steps.
type run struct {
	*record
	plane      *plane
	key        string
	keyUser    string
	name       func(what string) string
	partitions []string
	vias       []via

	image    image
	tenant   string
	project  string // owns networks, addresses and machines
	stranger string // owns nothing and may touch nothing
	internet network
	places   []*place
}

// via is an address through which the steps of one partition run once more.
type via struct{ partition, url string }

type viaFlag struct{ values []via }

func (f *viaFlag) String() string { return "" }

func (f *viaFlag) Set(text string) error {
	partition, url, named := strings.Cut(text, "=")
	if !named || strings.Contains(partition, "/") {
		partition, url = "", text
	}
	if !strings.Contains(url, "://") {
		return fmt.Errorf("%q is not [PARTITION=]scheme://host:port", text)
	}
	f.values = append(f.values, via{partition, url})
	return nil
}

func main() {
	var vias viaFlag
	partitions := flag.String("partitions", os.Getenv("ACCEPTANCE_PARTITIONS"), "comma separated; empty: all")
	flag.Var(&vias, "via", "run the steps of a partition through this address too: [PARTITION=]URL, repeatable")
	flag.Parse()
	if flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "unexpected argument %q\n", flag.Arg(0))
		os.Exit(2)
	}

	if os.Getenv("METALCTL_HMAC") == "" {
		fmt.Fprintln(os.Stderr, "METALCTL_HMAC is not set: the steps need the admin key")
		os.Exit(2)
	}

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r := &run{
		record:  &record{out: os.Stdout, interrupted: interrupted},
		key:     os.Getenv("METALCTL_HMAC"),
		keyUser: orElse(os.Getenv("METALCTL_HMAC_AUTH_TYPE"), "Metal-Admin"),
		vias:    vias.values,
	}
	for id := range strings.SplitSeq(*partitions, ",") {
		if id = strings.TrimSpace(id); id != "" {
			r.partitions = append(r.partitions, id)
		}
	}
	suffix := make([]byte, 3)
	_, _ = rand.Read(suffix)
	r.name = func(what string) string { return "acc-" + what + "-" + hex.EncodeToString(suffix) }

	plane, err := open(orElse(os.Getenv("METALCTL_API_URL"), "http://localhost:8080"), r.key, r.keyUser)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	r.plane = plane

	r.day()
	r.undoAll()
	fmt.Printf("%d passed, %d failed\n", r.passed, r.failed)
	if r.failed > 0 {
		os.Exit(1)
	}
}

// day is the whole sequence. A part that later parts stand on ends the day when it fails; undoing happens in any case.
func (r *run) day() {
	if !r.greet() || !r.catalogue() || !r.survey() {
		return
	}
	if !r.tenancy() || !r.networks() {
		return
	}
	r.addresses()
	for _, p := range r.places {
		r.allocateMachine(p)
	}
	for _, p := range r.places {
		r.awaitMachine(p)
	}
	for _, p := range r.places {
		r.useMachine(p)
	}
	r.refusedWhileInUse()
	for _, p := range r.places {
		r.freeMachine(p)
	}
	for _, p := range r.places {
		r.awaitFreed(p)
	}
	r.takeAway()
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
