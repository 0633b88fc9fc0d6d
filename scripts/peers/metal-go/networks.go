package main

import (
	"fmt"
	"net/netip"
	"slices"

	networkcalls "github.com/metal-stack/metal-go/api/client/network"
	"github.com/metal-stack/metal-go/api/models"
)

// networks finds or creates the super networks and the internet, and allocates a child network at every place.
func (r *run) networks() bool {
	whole := true
	for _, id := range r.partitions {
		whole = r.superNetwork(id) && whole
	}
	if !whole || !r.internetNetwork() {
		return false
	}
	for _, p := range r.places {
		whole = r.allocateNetwork(p) && whole
	}
	if whole {
		r.networkRefusals()
		r.networkReading()
	}
	return whole
}

func createBody(id, partition, prefix string) *models.V1NetworkCreateRequest {
	return &models.V1NetworkCreateRequest{
		ID: &id, Name: id, Description: "acceptance", Partitionid: partition, Prefixes: []string{prefix},
		Nat: to(false), Privatesuper: to(false), Underlay: to(false),
	}
}

func (r *run) createNetwork(body *models.V1NetworkCreateRequest) (network, error) {
	response, err := r.plane.Network().CreateNetwork(networkcalls.NewCreateNetworkParams().WithBody(body), nil)
	if err != nil {
		return nil, err
	}
	id := of(response.Payload.ID)
	r.owe("network/"+id, func() error {
		return only(r.plane.Network().DeleteNetwork(networkcalls.NewDeleteNetworkParams().WithID(id), nil))
	})
	return response.Payload, nil
}

func (r *run) findNetworks(plane *plane, body *models.V1NetworkFindRequest) ([]network, error) {
	response, err := plane.Network().FindNetworks(networkcalls.NewFindNetworksParams().WithBody(body), nil)
	if err != nil {
		return nil, err
	}
	return response.Payload, nil
}

func (r *run) superNetwork(partition string) bool {
	var super network
	found := r.step("network ls: the super network of "+partition, func() error {
		hits, err := r.findNetworks(r.plane, &models.V1NetworkFindRequest{Partitionid: partition, Privatesuper: true})
		if err != nil {
			return err
		}
		if len(hits) > 1 {
			return fmt.Errorf("%d super networks, at most one can be", len(hits))
		}
		if len(hits) == 1 {
			super = hits[0]
			return nil
		}
		prefix, err := r.plane.freePrefix(privatePrefixes())
		if err != nil {
			return err
		}
		body := createBody(r.name("super-"+partition), partition, prefix)
		body.Privatesuper, body.Defaultchildprefixlength = to(true), map[string]int64{"IPv4": 22}
		super, err = r.createNetwork(body)
		return err
	})
	if !found {
		return false
	}
	id := of(super.ID)
	r.step("network describe "+id, func() error {
		response, err := r.plane.Network().FindNetwork(networkcalls.NewFindNetworkParams().WithID(id), nil)
		if err != nil {
			return err
		}
		super = response.Payload
		var c checks
		c.that(of(super.Privatesuper), "privatesuper is false")
		c.that(of(super.Networktype) == "super", "networktype is %q", of(super.Networktype))
		c.that(super.Partitionid == partition && super.Parentnetworkid == "", "partition %q, parent %q", super.Partitionid, super.Parentnetworkid)
		c.that(len(super.Prefixes) > 0 && len(super.Defaultchildprefixlength) > 0, "prefixes %v, child lengths %v", super.Prefixes, super.Defaultchildprefixlength)
		c.that(super.Consumption != nil && super.Usage != nil, "consumption or usage is missing")
		return c.err()
	})
	for _, p := range r.places {
		if p.partition == partition {
			p.super = super
		}
	}
	r.refuses("network create "+id+" again", conflict[*networkcalls.CreateNetworkConflict](), func() error {
		body := createBody(id, partition, super.Prefixes[0])
		body.Privatesuper, body.Defaultchildprefixlength = to(true), super.Defaultchildprefixlength
		body.Prefixes = super.Prefixes
		return only(r.createNetwork(body))
	})
	r.refuses("network create of a second super network in "+partition, refusedWith(400).saying("already has a private super network"), func() error {
		prefix, err := r.plane.freePrefix(privatePrefixes())
		if err != nil {
			return err
		}
		body := createBody(r.name("second"), partition, prefix)
		body.Privatesuper, body.Defaultchildprefixlength = to(true), map[string]int64{"IPv4": 22}
		return only(r.createNetwork(body))
	})
	r.refuses("network create over a prefix of "+id, refusedWith(422).saying("overlaps"), func() error {
		return only(r.createNetwork(createBody(r.name("overlap"), "", super.Prefixes[0])))
	})
	return true
}

// internetNetwork takes the global external network with the default route, or creates one.
func (r *run) internetNetwork() bool {
	return r.step("network ls: the internet", func() error {
		listed, err := r.plane.Network().ListNetworks(networkcalls.NewListNetworksParams(), nil)
		if err != nil {
			return err
		}
		for _, n := range listed.Payload {
			global := n.Partitionid == "" && n.Parentnetworkid == "" && !of(n.Privatesuper) && !of(n.Underlay)
			if global && slices.Contains(n.Destinationprefixes, "0.0.0.0/0") {
				r.internet = n
				return nil
			}
		}
		prefix, err := r.plane.freePrefix(documentationPrefixes())
		if err != nil {
			return err
		}
		body := createBody(r.name("internet"), "", prefix)
		body.Nat, body.Destinationprefixes, body.Labels = to(true), []string{"0.0.0.0/0"}, map[string]string{"network.metal-stack.io/default": ""}
		r.internet, err = r.createNetwork(body)
		return err
	})
}

func (r *run) allocateNetwork(p *place) bool {
	allocated := r.step("network allocate in "+p.title, func() error {
		body := &models.V1NetworkAllocateRequest{
			Name: r.name(p.slug), Description: "acceptance", Projectid: r.project, Partitionid: p.partition, Labels: map[string]string{"acceptance": r.name(p.slug)},
		}
		response, err := p.plane.Network().AllocateNetwork(networkcalls.NewAllocateNetworkParams().WithBody(body), nil)
		if err != nil {
			return err
		}
		p.private = response.Payload
		id := of(p.private.ID)
		r.owe("network/"+id, func() error { return r.freeNetwork(p) })
		return nil
	})
	if !allocated {
		return false
	}
	r.step("network describe of the child in "+p.title, func() error {
		response, err := r.plane.Network().FindNetwork(networkcalls.NewFindNetworkParams().WithID(of(p.private.ID)), nil)
		if err != nil {
			return err
		}
		child := response.Payload
		var c checks
		c.that(child.Parentnetworkid == of(p.super.ID), "parentnetworkid is %q, the super network %q", child.Parentnetworkid, of(p.super.ID))
		c.that(child.Partitionid == p.partition && child.Projectid == r.project, "partition %q, project %q", child.Partitionid, child.Projectid)
		c.that(of(child.Networktype) == "child" && !child.Shared, "networktype %q, shared %v", of(child.Networktype), child.Shared)
		c.that(child.Vrf != 0, "vrf is 0")
		c.that(child.Labels["acceptance"] == r.name(p.slug), "labels are %v", child.Labels)
		c.that(len(child.Prefixes) == len(p.super.Defaultchildprefixlength), "prefixes %v for child lengths %v", child.Prefixes, p.super.Defaultchildprefixlength)
		for _, text := range child.Prefixes {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return err
			}
			family := "IPv6"
			if prefix.Addr().Is4() {
				family = "IPv4"
			}
			c.that(prefix == prefix.Masked() && contains(p.super.Prefixes, prefix.Addr().String()), "%s does not lie in %v", text, p.super.Prefixes)
			c.that(int64(prefix.Bits()) == p.super.Defaultchildprefixlength[family], "%s is not a /%d", text, p.super.Defaultchildprefixlength[family])
		}
		if child.Consumption == nil || (child.Consumption.IPV4 == nil && child.Consumption.IPV6 == nil) {
			c.that(false, "consumption is missing")
		}
		return c.err()
	})
	r.refuses("network delete of the super network in "+p.title, refusedWith(422), func() error {
		return only(p.plane.Network().DeleteNetwork(networkcalls.NewDeleteNetworkParams().WithID(of(p.super.ID)), nil))
	})
	return true
}

func (r *run) networkRefusals() {
	allocate := func(body *models.V1NetworkAllocateRequest) func() error {
		return func() error {
			response, err := r.plane.Network().AllocateNetwork(networkcalls.NewAllocateNetworkParams().WithBody(body), nil)
			if err == nil { // it should not have been given out: give it back
				free := networkcalls.NewFreeNetworkParams().WithID(of(response.Payload.ID))
				r.owe("network/"+free.ID, func() error { return only(r.plane.Network().FreeNetwork(free, nil)) })
			}
			return err
		}
	}
	here := r.partitions[0]
	r.refuses("network allocate in an unknown partition", refusedWith(404),
		allocate(&models.V1NetworkAllocateRequest{Projectid: r.project, Partitionid: r.name("ham")}))
	r.refuses("network allocate for an unknown project", refusedWith(404),
		allocate(&models.V1NetworkAllocateRequest{Projectid: r.name("nobody"), Partitionid: here}))
	r.refuses("network allocate without a project", refusedWith(400).saying("projectid"),
		allocate(&models.V1NetworkAllocateRequest{Partitionid: here}))
	r.refuses("network free of the internet", refusedWith(422), func() error {
		return only(r.plane.Network().FreeNetwork(networkcalls.NewFreeNetworkParams().WithID(of(r.internet.ID)), nil))
	})
	r.refuses("network describe of an unknown one", refusedWith(404).saying("NotFound"), func() error {
		return only(r.plane.Network().FindNetwork(networkcalls.NewFindNetworkParams().WithID(r.name("nowhere")), nil))
	})
}

func (r *run) networkReading() {
	r.step("network ls", func() error {
		listed, err := r.plane.Network().ListNetworks(networkcalls.NewListNetworksParams(), nil)
		if err != nil {
			return err
		}
		times := map[string]int{}
		var c checks
		for _, n := range listed.Payload {
			times[of(n.ID)]++
			c.that(n.Nat != nil, "%s: nat is missing, metalctl would crash", of(n.ID))
		}
		c.that(times[of(r.internet.ID)] == 1, "the internet is listed %d times", times[of(r.internet.ID)])
		for _, p := range r.places {
			c.that(times[of(p.private.ID)] == 1, "the child in %s is listed %d times", p.title, times[of(p.private.ID)])
		}
		return c.err()
	})
	first := r.places[0]
	finds := map[string]struct {
		body  models.V1NetworkFindRequest
		count int
	}{
		"id":       {models.V1NetworkFindRequest{ID: of(first.private.ID)}, 1},
		"project":  {models.V1NetworkFindRequest{Projectid: r.project}, len(r.places)},
		"labels":   {models.V1NetworkFindRequest{Labels: map[string]string{"acceptance": r.name(first.slug)}}, 1},
		"prefixes": {models.V1NetworkFindRequest{Projectid: r.project, Prefixes: first.private.Prefixes[:1]}, 1},
		"parent":   {models.V1NetworkFindRequest{Projectid: r.project, Parentnetworkid: of(first.super.ID)}, r.placesIn(first.partition)},
		"vrf":      {models.V1NetworkFindRequest{Projectid: r.project, Partitionid: first.partition, Vrf: first.private.Vrf}, 1},
	}
	for _, by := range []string{"id", "project", "labels", "prefixes", "parent", "vrf"} {
		r.step("network ls by "+by, func() error {
			want := finds[by]
			hits, err := r.findNetworks(r.plane, &want.body)
			if err != nil {
				return err
			}
			var c checks
			c.that(len(hits) == want.count, "%d networks instead of %d", len(hits), want.count)
			return c.err()
		})
	}
	r.step("network update", func() error {
		body := &models.V1NetworkUpdateRequest{ID: first.private.ID, Name: "renamed", Labels: map[string]string{"acceptance": r.name(first.slug), "x": "y"}}
		response, err := r.plane.Network().UpdateNetwork(networkcalls.NewUpdateNetworkParams().WithForce(to(false)).WithBody(body), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(response.Payload.Name == "renamed" && response.Payload.Labels["x"] == "y", "name %q, labels %v", response.Payload.Name, response.Payload.Labels)
		c.that(slices.Equal(response.Payload.Prefixes, first.private.Prefixes), "prefixes became %v", response.Payload.Prefixes)
		return c.err()
	})
}

func (r *run) placesIn(partition string) int {
	count := 0
	for _, p := range r.places {
		if p.partition == partition {
			count++
		}
	}
	return count
}

func (r *run) freeNetwork(p *place) error {
	return only(p.plane.Network().FreeNetwork(networkcalls.NewFreeNetworkParams().WithID(of(p.private.ID)), nil))
}
