package main

import (
	"fmt"
	"slices"

	machinecalls "github.com/metal-stack/metal-go/api/client/machine"
	"github.com/metal-stack/metal-go/api/client/switch_operations"
	"github.com/metal-stack/metal-go/api/models"
)

func (r *run) setState(p *place, value, description string) error {
	_, err := r.stateOf(p, p.machine, value, description)
	return err
}

func (r *run) stateOf(p *place, id, value, description string) (machine, error) {
	body := &models.V1MachineState{Value: &value, Description: &description}
	response, err := p.plane.Machine().SetMachineState(machinecalls.NewSetMachineStateParams().WithID(id).WithBody(body), nil)
	if err != nil {
		return nil, err
	}
	return response.Payload, nil
}

// useMachine does with an allocated machine what its owner and an operator do.
func (r *run) useMachine(p *place) {
	if p.machine == "" {
		return
	}
	r.step("machine update in "+p.title, func() error {
		m, err := r.describeMachine(p.machine)
		if err != nil {
			return err
		}
		body := &models.V1MachineUpdateRequest{ID: &p.machine, Description: to("d2"), Tags: append(m.Tags, "t2")}
		response, err := p.plane.Machine().UpdateMachine(machinecalls.NewUpdateMachineParams().WithBody(body), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(response.Payload.Allocation != nil && response.Payload.Allocation.Description == "d2", "the description did not change")
		for _, tag := range append(m.Tags, "t2") {
			c.that(slices.Contains(response.Payload.Tags, tag), "tag %s is missing in %v", tag, response.Payload.Tags)
		}
		return c.err()
	})
	r.step("machine consolepassword in "+p.title, func() error {
		body := &models.V1MachineConsolePasswordRequest{ID: &p.machine, Reason: to("acceptance")}
		response, err := p.plane.Machine().GetMachineConsolePassword(machinecalls.NewGetMachineConsolePasswordParams().WithBody(body), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(of(response.Payload.ID) == p.machine && of(response.Payload.ConsolePassword) != "", "id %q, or no password", of(response.Payload.ID))
		return c.err()
	})
	// metalctl sends [] as body, and prints the answer as a table row
	body := models.V1EmptyBody([]string{})
	r.step("machine power off in "+p.title, func() error {
		response, err := p.plane.Machine().MachineOff(machinecalls.NewMachineOffParams().WithID(p.machine).WithBody(body), nil)
		if err != nil {
			return err
		}
		return printable(p, response.Payload)
	})
	r.step("machine power on in "+p.title, func() error {
		response, err := p.plane.Machine().MachineOn(machinecalls.NewMachineOnParams().WithID(p.machine).WithBody(body), nil)
		if err != nil {
			return err
		}
		return printable(p, response.Payload)
	})
	r.lock(p)
	r.reserve(p)
	r.connected(p)
	r.step("partition capacity of "+p.title+" counts the machine", func() error {
		row, err := r.capacity(p.plane, p.partition, p.size)
		if err != nil {
			return err
		}
		var c checks
		c.that(int(row.Allocated) >= r.placesIn(p.partition), "allocated is %d", row.Allocated)
		return c.err()
	})
}

func printable(p *place, m machine) error {
	var c checks
	c.that(of(m.ID) == p.machine, "id %q", of(m.ID))
	c.that(m.State != nil && m.State.Value != nil && m.State.Description != nil && m.Events != nil, "state or events is null")
	return c.err()
}

func (r *run) lock(p *place) {
	r.refuses("machine lock without a description in "+p.title, refusedWith(400), func() error { return r.setState(p, "LOCKED", "") })
	r.refuses("machine state with an unknown value in "+p.title, refusedWith(400), func() error { return r.setState(p, "BROKEN", "x") })
	locked := r.step("machine lock in "+p.title, func() error {
		m, err := r.stateOf(p, p.machine, "LOCKED", "keep")
		if err != nil {
			return err
		}
		var c checks
		c.that(of(m.State.Value) == "LOCKED" && of(m.State.Description) == "keep", "state is %q, %q", of(m.State.Value), of(m.State.Description))
		return c.err()
	})
	if !locked {
		return
	}
	r.refuses("machine delete of a locked one in "+p.title, refusedWith(422), func() error {
		return only(p.plane.Machine().FreeMachine(machinecalls.NewFreeMachineParams().WithID(p.machine), nil))
	})
	r.step("machine unlock in "+p.title, func() error {
		m, err := r.stateOf(p, p.machine, "", "")
		if err != nil {
			return err
		}
		var c checks
		c.that(of(m.State.Value) == "", "state is %q", of(m.State.Value))
		c.that(m.Allocation != nil, "the allocation is gone, although the machine was locked")
		return c.err()
	})
}

// reserve keeps a free machine out of elections for a moment.
func (r *run) reserve(p *place) {
	free, err := r.waiting(p.partition)
	if err != nil || len(free) == 0 {
		r.note("machine reserve in %s: no second machine waits there", p.title)
		return
	}
	id := of(free[0].ID)
	reserved := r.step("machine reserve in "+p.title, func() error {
		r.owe("state/"+id, func() error { return only(r.stateOf(p, id, "", "")) })
		m, err := r.stateOf(p, id, "RESERVED", "maintenance")
		if err != nil {
			return err
		}
		var c checks
		c.that(of(m.State.Value) == "RESERVED" && of(m.State.Description) == "maintenance", "state is %q, %q", of(m.State.Value), of(m.State.Description))
		return c.err()
	})
	if !reserved {
		return
	}
	r.refuses("machine consolepassword of a free one in "+p.title, refusedWith(422), func() error {
		body := &models.V1MachineConsolePasswordRequest{ID: &id, Reason: to("acceptance")}
		return only(p.plane.Machine().GetMachineConsolePassword(machinecalls.NewGetMachineConsolePasswordParams().WithBody(body), nil))
	})
	released := r.step("machine reserve --remove in "+p.title, func() error {
		m, err := r.stateOf(p, id, "", "")
		if err != nil {
			return err
		}
		var c checks
		c.that(of(m.State.Value) == "", "state is %q", of(m.State.Value))
		return c.err()
	})
	if released {
		r.paid("state/" + id)
	}
}

// connected looks for the machine on the switches of its rack, and that they can't be deleted meanwhile.
func (r *run) connected(p *place) {
	r.step("switch ls in "+p.title+" knows the machine's ports", func() error {
		m, err := r.describeMachine(p.machine)
		if err != nil {
			return err
		}
		calls := switch_operations.NewFindSwitchesParams().WithBody(&models.V1SwitchFindRequest{Partitionid: p.partition, Rackid: m.Rackid})
		response, err := r.plane.SwitchOperations().FindSwitches(calls, nil)
		if err != nil {
			return err
		}
		ports := 0
		for _, s := range response.Payload {
			for _, connection := range s.Connections {
				if connection.MachineID == p.machine {
					ports++
				}
			}
		}
		if ports == 0 {
			return fmt.Errorf("none of %d switches of rack %s is connected to %s", len(response.Payload), m.Rackid, p.machine)
		}
		return nil
	})
}
