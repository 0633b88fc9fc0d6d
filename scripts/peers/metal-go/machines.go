package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	machinecalls "github.com/metal-stack/metal-go/api/client/machine"
	"github.com/metal-stack/metal-go/api/models"
)

const (
	userData    = "I2Nsb3VkLWNvbmZpZw==" // #cloud-config
	firstAsn    = int64(4210000000)
	asnTag      = "machine.metal-stack.io/network.primary.asn="
	rackTag     = "machine.metal-stack.io/rack="
	phonedHome  = "Phoned Home"
	ephemeralIP = "ephemeral"
)

func (r *run) describeMachine(id string) (machine, error) {
	response, err := r.plane.Machine().FindMachine(machinecalls.NewFindMachineParams().WithID(id), nil)
	if err != nil {
		return nil, err
	}
	return response.Payload, nil
}

func (r *run) machineBody(p *place, networks ...*models.V1MachineAllocationNetwork) (*models.V1MachineAllocateRequest, error) {
	key, err := sshKey()
	return &models.V1MachineAllocateRequest{
		Name: p.hostname, Hostname: p.hostname, Description: "acceptance", Imageid: &r.image.short, Partitionid: &p.partition, Sizeid: &p.size,
		Projectid: &r.project, SSHPubKeys: []string{key}, Tags: []string{"role=web", "acceptance"}, UserData: userData, Networks: networks,
	}, err
}

func attach(networkID string, autoacquire bool) *models.V1MachineAllocationNetwork {
	return &models.V1MachineAllocationNetwork{Networkid: &networkID, Autoacquire: &autoacquire}
}

// allocateMachine takes a machine with the private network and the internet; where the place has an address of its own,
// with exactly that address.
func (r *run) allocateMachine(p *place) {
	p.hostname = r.name(p.slug)
	if p == r.places[0] {
		r.allocationRefusals(p)
	}
	allocated := r.step("machine allocate in "+p.title, func() error {
		internet := attach(of(r.internet.ID), p.external == "")
		body, err := r.machineBody(p, attach(of(p.private.ID), true), internet)
		if err != nil {
			return err
		}
		if p.external != "" {
			body.Ips = []string{p.external}
		}
		response, err := p.plane.Machine().AllocateMachine(machinecalls.NewAllocateMachineParams().WithBody(body), nil)
		if err != nil {
			return err
		}
		p.machine = of(response.Payload.ID)
		if p.machine == "" {
			return fmt.Errorf("the answer has no id")
		}
		r.owe("machine/"+p.machine, func() error {
			_ = r.setState(p, "", "")
			return only(r.plane.Machine().FreeMachine(machinecalls.NewFreeMachineParams().WithID(p.machine), nil))
		})
		return nil
	})
	if !allocated {
		return
	}
	r.step("machine describe in "+p.title, func() error {
		m, err := r.describeMachine(p.machine)
		if err != nil {
			return err
		}
		return r.asAllocated(p, m)
	})
	r.step("network ip describe of the addresses of the machine in "+p.title, func() error { return r.addressesAttached(p) })
	if p.external != "" {
		r.refuses("network ip delete of the address of the machine in "+p.title, refusedWith(400), func() error { return r.freeIP(r.plane, p.external) })
	}
	r.refuses("machine allocate of the same machine in "+p.title, refusedWith(422, 409), func() error {
		body, err := r.machineBody(p, attach(of(p.private.ID), true))
		if err != nil {
			return err
		}
		body.UUID, body.Partitionid, body.Sizeid = p.machine, to(""), to("")
		return only(p.plane.Machine().AllocateMachine(machinecalls.NewAllocateMachineParams().WithBody(body), nil))
	})
}

// asAllocated compares an allocated machine with what was asked for.
func (r *run) asAllocated(p *place, m machine) error {
	var c checks
	c.that(m.Partition != nil && of(m.Partition.ID) == p.partition, "partition is not %s", p.partition)
	c.that(m.Size != nil && of(m.Size.ID) == p.size, "size is not %s", p.size)
	c.that(m.State != nil && m.State.Value != nil && m.State.Description != nil, "state.value or state.description is null: metalctl would crash")
	c.that(m.Events != nil, "events is null: metalctl would crash")
	a := m.Allocation
	if a == nil {
		return fmt.Errorf("no allocation")
	}
	c.that(of(a.Project) == r.project, "project is %q", of(a.Project))
	c.that(of(a.Hostname) == p.hostname && of(a.Name) == p.hostname, "hostname %q, name %q", of(a.Hostname), of(a.Name))
	c.that(of(a.Role) == "machine", "role is %q", of(a.Role))
	c.that(of(a.Allocationuuid) != "" && of(a.Creator) != "" && a.Created != nil, "allocationuuid, creator or created is missing")
	c.that(a.Image != nil && of(a.Image.ID) == r.image.id, "image is %s instead of %s, asked for as %s", imageID(a.Image), r.image.id, r.image.short)
	c.that(a.Filesystemlayout != nil && of(a.Filesystemlayout.ID) == p.layout, "filesystemlayout is not %s", p.layout)
	c.that(a.UserData == userData, "user_data became %q", a.UserData)
	c.that(len(a.SSHPubKeys) == 1, "%d ssh keys", len(a.SSHPubKeys))
	c.that(len(a.Networks) == 2, "%d networks instead of 2", len(a.Networks))
	asn := int64(0)
	for _, n := range a.Networks {
		id := of(n.Networkid)
		asn = of(n.Asn)
		c.that(asn >= firstAsn, "%s: asn %d", id, asn)
		for _, ip := range n.Ips {
			c.that(contains(n.Prefixes, ip), "%s: %s does not lie in %v", id, ip, n.Prefixes)
		}
		switch id {
		case of(p.private.ID):
			c.that(len(n.Ips) == families(p.private.Prefixes), "%s: addresses %v", id, n.Ips)
			c.that(of(n.Networktype) == "privateprimaryunshared" && of(n.Private), "%s: networktype %q, private %v", id, of(n.Networktype), of(n.Private))
			c.that(of(n.Vrf) == p.private.Vrf, "%s: vrf %d, that of the network is %d", id, of(n.Vrf), p.private.Vrf)
		case of(r.internet.ID):
			c.that(of(n.Networktype) == "external" && !of(n.Private), "%s: networktype %q, private %v", id, of(n.Networktype), of(n.Private))
			c.that(slices.Contains(n.Destinationprefixes, "0.0.0.0/0"), "%s: destinationprefixes %v", id, n.Destinationprefixes)
			if p.external == "" {
				c.that(len(n.Ips) == families(r.internet.Prefixes), "%s: addresses %v", id, n.Ips)
			} else {
				c.that(slices.Equal(n.Ips, []string{p.external}), "%s: addresses %v instead of %s", id, n.Ips, p.external)
			}
		default:
			c.that(false, "a network that was not asked for: %s", id)
		}
	}
	c.that(m.Rackid == "" || slices.Contains(m.Tags, rackTag+m.Rackid), "no tag for rack %s in %v", m.Rackid, m.Tags)
	c.that(slices.Contains(m.Tags, asnTag+strconv.FormatInt(asn, 10)), "no tag for asn %d in %v", asn, m.Tags)
	c.that(slices.Contains(m.Tags, "role=web") && slices.Contains(m.Tags, "acceptance"), "own tags are missing in %v", m.Tags)
	return c.err()
}

func imageID(i *models.V1ImageResponse) string {
	if i == nil {
		return "none"
	}
	return of(i.ID)
}

func (r *run) addressesAttached(p *place) error {
	m, err := r.describeMachine(p.machine)
	if err != nil {
		return err
	}
	if m.Allocation == nil {
		return fmt.Errorf("no allocation")
	}
	var c checks
	for _, n := range m.Allocation.Networks {
		for _, ip := range n.Ips {
			got, err := r.describeIP(ip)
			if err != nil {
				return fmt.Errorf("%s: %w", ip, err)
			}
			c.that(slices.Contains(got.Tags, machineTag+"="+p.machine), "%s: no tag of the machine in %v", ip, got.Tags)
			c.that(of(got.Type) == ephemeralIP && of(got.Projectid) == r.project, "%s: type %q, project %q", ip, of(got.Type), of(got.Projectid))
			c.that(status(r.freeIP(r.plane, ip)) == 400, "%s could be freed although it is attached", ip)
		}
	}
	return c.err()
}

func (r *run) allocationRefusals(p *place) {
	private, internet := of(p.private.ID), of(r.internet.ID)
	refused := func(name string, want refusal, change func(*models.V1MachineAllocateRequest)) {
		r.refuses("machine allocate "+name, want, func() error {
			body, err := r.machineBody(p, attach(private, true))
			if err != nil {
				return err
			}
			change(body)
			response, err := p.plane.Machine().AllocateMachine(machinecalls.NewAllocateMachineParams().WithBody(body), nil)
			if err == nil { // it should not have been given out: give it back
				id := of(response.Payload.ID)
				r.owe("machine/"+id, func() error {
					return only(r.plane.Machine().FreeMachine(machinecalls.NewFreeMachineParams().WithID(id), nil))
				})
			}
			return err
		})
	}
	networks := func(list ...*models.V1MachineAllocationNetwork) func(*models.V1MachineAllocateRequest) {
		return func(body *models.V1MachineAllocateRequest) { body.Networks = list }
	}
	refused("without a network", refusedWith(400), networks())
	refused("with only the internet", refusedWith(422), networks(attach(internet, true)))
	refused("with an unknown network", refusedWith(404), networks(attach(private, true), attach(r.name("nowhere"), true)))
	refused("with a super network", refusedWith(422), networks(attach(private, true), attach(of(p.super.ID), true)))
	refused("with a network twice", refusedWith(422), networks(attach(private, true), attach(private, true)))
	refused("with an unknown image", refusedWith(400), func(body *models.V1MachineAllocateRequest) { body.Imageid = to("ubuntu-99") })
	refused("with an unknown size", refusedWith(400), func(body *models.V1MachineAllocateRequest) { body.Sizeid = to(r.name("size")) })
	refused("in an unknown partition", refusedWith(400), func(body *models.V1MachineAllocateRequest) { body.Partitionid = to(r.name("ham")) })
	refused("for an unknown project", refusedWith(404), func(body *models.V1MachineAllocateRequest) { body.Projectid = to(r.name("nobody")) })
	refused("for a project that does not own the network", refusedWith(422), func(body *models.V1MachineAllocateRequest) { body.Projectid = &r.stranger })
	refused("with a bad ssh key", refusedWith(422), func(body *models.V1MachineAllocateRequest) { body.SSHPubKeys = []string{"garbage"} })
	refused("with an unknown address", refusedWith(404, 422), func(body *models.V1MachineAllocateRequest) { body.Ips = []string{outside(r.internet.Prefixes)} })
}

// awaitMachine waits for the end of the installation and looks at the machine as tables and agents do.
func (r *run) awaitMachine(p *place) {
	if p.machine == "" {
		return
	}
	home := r.step("machine in "+p.title+" phones home", func() error {
		return r.within(patience, func() error {
			m, err := r.describeMachine(p.machine)
			if err == nil && lastEvent(m) != phonedHome {
				err = fmt.Errorf("last event of %s is %q", p.machine, lastEvent(m))
			}
			return err
		})
	})
	if !home {
		return
	}
	r.step("machine describe of the installed one in "+p.title, func() error {
		m, err := r.describeMachine(p.machine)
		if err != nil {
			return err
		}
		var c checks
		if err := r.asAllocated(p, m); err != nil {
			c = append(c, err.Error())
		}
		c.that(of(m.Liveliness) == "Alive", "liveliness is %q", of(m.Liveliness))
		c.that(!of(m.Events.CrashLoop) && !of(m.Events.FailedMachineReclaim), "crash_loop %v, failed_machine_reclaim %v",
			of(m.Events.CrashLoop), of(m.Events.FailedMachineReclaim))
		c.that(len(m.Events.Log) > 1 && len(m.Events.Log) <= 20, "%d log entries", len(m.Events.Log))
		if m.Allocation != nil && m.Allocation.BootInfo != nil {
			c.that(of(m.Allocation.BootInfo.ImageID) == r.image.id, "boot_info.image_id is %q", of(m.Allocation.BootInfo.ImageID))
		} else {
			c.that(false, "boot_info is missing: no install report arrived")
		}
		return c.err()
	})
	r.findMachine(p)
}

func (r *run) findMachine(p *place) {
	finds := []struct {
		by   string
		body models.V1MachineFindRequest
	}{
		{"id", models.V1MachineFindRequest{ID: p.machine}},
		{"project and hostname", models.V1MachineFindRequest{AllocationProject: r.project, AllocationHostname: p.hostname}},
		{"name and role in its partition", models.V1MachineFindRequest{AllocationName: p.hostname, AllocationRole: "machine", PartitionID: p.partition}},
		{"network", models.V1MachineFindRequest{NetworkIds: []string{of(p.private.ID)}}},
		{"networks and tags", models.V1MachineFindRequest{NetworkIds: []string{of(p.private.ID), of(r.internet.ID)}, Tags: []string{"role=web", "acceptance"}}},
		{"image and size", models.V1MachineFindRequest{AllocationHostname: p.hostname, AllocationImageID: r.image.id, Sizeid: p.size}},
	}
	for _, find := range finds {
		r.step("machine ls in "+p.title+" by "+find.by, func() error {
			response, err := r.plane.Machine().FindMachines(machinecalls.NewFindMachinesParams().WithBody(&find.body), nil)
			if err != nil {
				return err
			}
			var c checks
			c.that(len(response.Payload) == 1 && of(response.Payload[0].ID) == p.machine, "%s instead of only %s", ids(response.Payload), p.machine)
			return c.err()
		})
	}
	r.step("machine ipmi in "+p.title, func() error {
		one, err := r.plane.Machine().FindIPMIMachine(machinecalls.NewFindIPMIMachineParams().WithID(p.machine), nil)
		if err != nil {
			return err
		}
		calls := machinecalls.NewFindIPMIMachinesParams().WithBody(&models.V1MachineFindRequest{PartitionID: p.partition, AllocationProject: r.project})
		listed, err := r.plane.Machine().FindIPMIMachines(calls, nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(len(listed.Payload) == r.placesIn(p.partition), "%d machines listed instead of %d", len(listed.Payload), r.placesIn(p.partition))
		for _, m := range append(listed.Payload, one.Payload) {
			if m.Ipmi == nil || m.Ipmi.Fru == nil {
				c.that(false, "%s: ipmi or ipmi.fru is missing", of(m.ID))
				continue
			}
			c.that(of(m.Ipmi.Address) != "" && of(m.Ipmi.User) != "" && m.Ipmi.Password != nil && m.Ipmi.Interface != nil, "%s: ipmi lacks address, user, password or interface", of(m.ID))
			c.that(m.Ipmi.LastUpdated != nil, "%s: ipmi.last_updated is missing", of(m.ID))
		}
		return c.err()
	})
}

func ids(machines []machine) string {
	var list []string
	for _, m := range machines {
		list = append(list, of(m.ID))
	}
	return "[" + strings.Join(list, " ") + "]"
}
