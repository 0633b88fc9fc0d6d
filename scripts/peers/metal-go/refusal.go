package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/metal-stack/metal-lib/httperrors"
)

// answer is what every error of the generated client offers, the typed ones (…Conflict) and the default one. It exists
// only if the body was a JSON string that holds the error object as JSON once more; any other body ends in a decoder
// error without these methods, and then metalctl shows that decoder error to its user.
type answer interface {
	error
	Code() int
	GetPayload() *httperrors.HTTPErrorResponse
}

// status is the HTTP status of a refusal, or 0 if err is none that the client could read.
func status(err error) int {
	var refused answer
	if errors.As(err, &refused) {
		return refused.Code()
	}
	return 0
}

// refusal is what a step expects instead of success.
type refusal struct {
	statuses []int
	text     string           // must occur in the message, if not empty
	typed    func(error) bool // must recognise the error's Go type, if not nil
}

func refusedWith(statuses ...int) refusal { return refusal{statuses: statuses} }

func (want refusal) saying(text string) refusal {
	want.text = text
	return want
}

// conflict expects the typed 409 by which metalctl's apply knows that it has to update instead.
func conflict[E error]() refusal { return typed[E](409) }

func typed[E error](status int) refusal {
	return refusal{statuses: []int{status}, typed: func(err error) bool {
		var wanted E
		return errors.As(err, &wanted)
	}}
}

// refuses is a step that passes if the call is refused as wanted.
func (r *record) refuses(name string, want refusal, call func() error) bool {
	return r.step(name, func() error { return want.compare(call()) })
}

func (want refusal) compare(err error) error {
	if err == nil {
		return fmt.Errorf("accepted, but should be refused with %v", want.statuses)
	}
	var refused answer
	if !errors.As(err, &refused) {
		return fmt.Errorf("not an answer that the client can read: %w", err)
	}
	var c checks
	c.that(slices.Contains(want.statuses, refused.Code()), "status %d instead of %v", refused.Code(), want.statuses)
	if body := refused.GetPayload(); body == nil {
		c.that(false, "no body")
	} else {
		c.that(body.StatusCode == refused.Code(), "the body says %d, the status line %d", body.StatusCode, refused.Code())
		c.that(body.Message != "", "no message")
		c.that(strings.Contains(body.Message, want.text), "the message should contain %q", want.text)
	}
	c.that(want.typed == nil || want.typed(err), "not the documented error type of this status, but %T", refused)
	if len(c) > 0 {
		c.that(false, "raw: %v", err)
	}
	return c.err()
}

// only drops the answer of a call where nothing but its error matters.
func only[T any](_ T, err error) error { return err }
