package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// record numbers the steps, prints their outcomes, and remembers what has to be undone.
type record struct {
	out                    io.Writer
	interrupted            context.Context
	number, passed, failed int
	debts                  []debt
}

// debt is something the program made and owes the plant to take away.
type debt struct {
	key  string
	undo func() error
}

// step runs one step and prints its line. After an interrupt no further step runs.
func (r *record) step(name string, do func() error) bool {
	if r.interrupted.Err() != nil {
		return false
	}
	r.number++
	began := time.Now()
	err := do()
	took := time.Since(began).Milliseconds()
	if err != nil {
		r.failed++
		fmt.Fprintf(r.out, "not ok %d %s (%d ms)\n", r.number, name, took)
		for line := range strings.SplitSeq(err.Error(), "\n") {
			fmt.Fprintf(r.out, "    %s\n", line)
		}
		return false
	}
	r.passed++
	fmt.Fprintf(r.out, "ok %d %s (%d ms)\n", r.number, name, took)
	return true
}

func (r *record) note(format string, values ...any) {
	fmt.Fprintf(r.out, "# "+format+"\n", values...)
}

// owe notes how to undo what was just made; key names it, such as "ip/10.0.0.1".
func (r *record) owe(key string, undo func() error) {
	r.debts = append(r.debts, debt{key, undo})
}

// paid forgets a debt, because an ordinary step has taken the thing away.
func (r *record) paid(key string) {
	r.debts = slices.DeleteFunc(r.debts, func(d debt) bool { return d.key == key })
}

// undoAll takes away what is left, youngest first. After a complete run nothing is left.
func (r *record) undoAll() {
	for _, d := range slices.Backward(r.debts) {
		err := within(context.Background(), 30*time.Second, d.undo)
		if err != nil && status(err) != 404 {
			r.failed++
			r.note("NOT taken away: %s: %v", d.key, err)
			continue
		}
		r.note("taken away: %s", d.key)
	}
	r.debts = nil
}

// within repeats a check until it passes, and returns the last error if it never does in that time. A 404 is final.
func (r *record) within(limit time.Duration, check func() error) error {
	return within(r.interrupted, limit, check)
}

func within(until context.Context, limit time.Duration, check func() error) error {
	began := time.Now()
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		err := check()
		if err == nil || status(err) == 404 {
			return err
		}
		if time.Since(began)+pause > limit || until.Err() != nil {
			return fmt.Errorf("after %s still: %w", time.Since(began).Round(time.Millisecond), err)
		}
		select {
		case <-until.Done():
		case <-time.After(pause):
		}
	}
}

// checks gathers the fields that are not as they should be, so that one run shows all of them.
type checks []string

func (c *checks) that(holds bool, format string, values ...any) {
	if !holds {
		*c = append(*c, fmt.Sprintf(format, values...))
	}
}

func (c checks) err() error {
	if len(c) == 0 {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(c, "\n"))
}
