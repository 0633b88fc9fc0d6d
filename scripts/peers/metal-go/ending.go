package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	machinecalls "github.com/metal-stack/metal-go/api/client/machine"
	networkcalls "github.com/metal-stack/metal-go/api/client/network"
	"github.com/metal-stack/metal-go/api/models"
)

// refusedWhileInUse tries to take away what is still needed.
func (r *run) refusedWhileInUse() {
	r.step("project describe counts the machines", func() error {
		stored, err := r.describeProject(r.plane)
		if err != nil {
			return err
		}
		allocated := 0
		for _, p := range r.places {
			if p.machine != "" {
				allocated++
			}
		}
		var c checks
		if stored.Quotas == nil || stored.Quotas.Machine == nil {
			c.that(false, "quotas.machine is missing")
		} else {
			c.that(int(stored.Quotas.Machine.Used) == allocated, "quotas.machine.used is %d instead of %d", stored.Quotas.Machine.Used, allocated)
		}
		return c.err()
	})
	r.refuses("project delete while it is used", refusedWith(400), func() error { return r.deleteProject(r.project) })
	r.refuses("tenant delete while it has projects", refusedWith(422), r.deleteTenant)
	for _, p := range r.places {
		if p.machine != "" {
			r.refuses("network free in "+p.title+" while a machine uses it", refusedWith(422), func() error { return r.freeNetwork(p) })
		}
	}
}

func (r *run) freeMachine(p *place) {
	if p.machine == "" {
		return
	}
	freed := r.step("machine delete in "+p.title, func() error {
		response, err := p.plane.Machine().FreeMachine(machinecalls.NewFreeMachineParams().WithID(p.machine), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(of(response.Payload.ID) == p.machine, "id %q", of(response.Payload.ID))
		c.that(response.Payload.Allocation == nil, "the answer still has an allocation")
		return c.err()
	})
	if freed {
		r.paid("machine/" + p.machine)
	}
}

// awaitFreed waits until the machine can be allocated again and its addresses are gone.
func (r *run) awaitFreed(p *place) {
	if p.machine == "" {
		return
	}
	r.step("machine of "+p.title+" waits again", func() error {
		return r.within(patience, func() error {
			m, err := r.describeMachine(p.machine)
			if err == nil && !isWaiting(m) {
				err = fmt.Errorf("%s: last event %q, liveliness %q, allocated %v", p.machine, lastEvent(m), of(m.Liveliness), m.Allocation != nil)
			}
			return err
		})
	})
	r.step("network ip ls of the freed machine in "+p.title, func() error {
		return r.within(30*time.Second, func() error {
			hits, err := r.findIPs(&models.V1IPFindRequest{Machineid: p.machine})
			if err == nil && len(hits) > 0 {
				err = fmt.Errorf("still attached: %v", hits)
			}
			return err
		})
	})
	if p.external == "" {
		return
	}
	// it was taken as ephemeral, and an ephemeral address goes with its last machine
	r.step("network ip describe of the address that the machine in "+p.title+" had", func() error {
		err := r.within(30*time.Second, func() error {
			err := only(r.describeIP(p.external))
			if err == nil {
				err = fmt.Errorf("%s is ephemeral and outlived its machine", p.external)
			}
			return err
		})
		if status(err) == 404 {
			r.paid("ip/" + p.external)
			return nil
		}
		return err
	})
}

// takeAway removes the rest in the order that the rules demand, and proves that nothing of this run is left.
func (r *run) takeAway() {
	for _, d := range slices.Backward(slices.Clone(r.debts)) {
		kind, id, _ := strings.Cut(d.key, "/")
		name := map[string]string{
			"ip": "network ip delete", "network": "network delete", "filesystemlayout": "filesystemlayout delete",
			"project": "project delete", "tenant": "tenant delete",
		}[kind]
		if name == "" {
			continue
		}
		if r.step(name+" "+id, func() error { return r.within(30*time.Second, d.undo) }) {
			r.paid(d.key)
		}
	}
	for _, p := range r.places {
		r.refuses("network free again in "+p.title, refusedWith(404), func() error { return r.freeNetwork(p) })
	}
	r.refuses("project describe of the deleted one", refusedWith(404), func() error { return only(r.describeProject(r.plane)) })
	r.step("nothing is left", r.nothingLeft)
}

func (r *run) nothingLeft() error {
	var c checks
	for _, project := range []string{r.project, r.stranger} {
		ips, err := r.findIPs(&models.V1IPFindRequest{Projectid: project})
		if err != nil {
			return err
		}
		c.that(len(ips) == 0, "addresses %v", ips)
		networks, err := r.findNetworks(r.plane, &models.V1NetworkFindRequest{Projectid: project})
		if err != nil {
			return err
		}
		c.that(len(networks) == 0, "%d networks", len(networks))
		calls := machinecalls.NewFindMachinesParams().WithBody(&models.V1MachineFindRequest{AllocationProject: project})
		machines, err := r.plane.Machine().FindMachines(calls, nil)
		if err != nil {
			return err
		}
		c.that(len(machines.Payload) == 0, "machines %s", ids(machines.Payload))
	}
	listed, err := r.plane.Network().ListNetworks(networkcalls.NewListNetworksParams(), nil)
	if err != nil {
		return err
	}
	_, suffix, _ := cutLast(r.name(""), "-")
	for _, n := range listed.Payload {
		c.that(!strings.HasSuffix(of(n.ID), "-"+suffix), "network %s", of(n.ID))
	}
	return c.err()
}
