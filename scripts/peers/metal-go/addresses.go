package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	ipcalls "github.com/metal-stack/metal-go/api/client/ip"
	"github.com/metal-stack/metal-go/api/models"
)

const machineTag = "machine.metal-stack.io/id"

// addresses takes, finds, changes and refuses addresses of the internet and of the child networks. What it leaves for
// the machines is one address for each place, all taken through the one address of the plane: whichever partition gave
// it, it is attached where the machine is.
func (r *run) addresses() {
	for _, p := range r.places {
		r.anyAddress(p)
		r.step("network ip create of an address for the machine in "+p.title, func() error {
			taken, err := r.allocateIP(r.plane, r.ipBody(of(r.internet.ID), r.project, "for-"+p.slug), "")
			if err == nil {
				p.external = of(taken.Ipaddress)
			}
			return err
		})
		r.childAddresses(p)
	}
	r.specificAddresses()
}

func (r *run) allocateIP(plane *plane, body *models.V1IPAllocateRequest, specific string) (address, error) {
	var taken address
	if specific == "" {
		response, err := plane.IP().AllocateIP(ipcalls.NewAllocateIPParams().WithBody(body), nil)
		if err != nil {
			return nil, err
		}
		taken = response.Payload
	} else {
		response, err := plane.IP().AllocateSpecificIP(ipcalls.NewAllocateSpecificIPParams().WithIP(specific).WithBody(body), nil)
		if err != nil {
			return nil, err
		}
		taken = response.Payload
	}
	ip := of(taken.Ipaddress)
	r.owe("ip/"+ip, func() error { return r.freeIP(plane, ip) })
	return taken, nil
}

func (r *run) freeIP(plane *plane, ip string) error {
	return only(plane.IP().FreeIP(ipcalls.NewFreeIPParams().WithID(ip), nil))
}

func (r *run) describeIP(ip string) (address, error) {
	response, err := r.plane.IP().FindIP(ipcalls.NewFindIPParams().WithID(ip), nil)
	if err != nil {
		return nil, err
	}
	return response.Payload, nil
}

func (r *run) findIPs(body *models.V1IPFindRequest) ([]string, error) {
	response, err := r.plane.IP().FindIPs(ipcalls.NewFindIPsParams().WithBody(body), nil)
	if err != nil {
		return nil, err
	}
	var ips []string
	for _, ip := range response.Payload {
		ips = append(ips, of(ip.Ipaddress))
	}
	return ips, nil
}

func (r *run) ipBody(networkID, project, name string) *models.V1IPAllocateRequest {
	return &models.V1IPAllocateRequest{
		Networkid: &networkID, Projectid: &project, Type: to("ephemeral"), Name: name, Description: "acceptance", Tags: []string{"acceptance=" + r.name(name)},
	}
}

func (r *run) anyAddress(p *place) {
	var ip string
	taken := r.step("network ip create in the internet through "+p.title, func() error {
		body := r.ipBody(of(r.internet.ID), r.project, "vip-"+p.slug)
		body.Type = to("static")
		got, err := r.allocateIP(p.plane, body, "")
		if err != nil {
			return err
		}
		ip = of(got.Ipaddress)
		var c checks
		c.that(contains(r.internet.Prefixes, ip), "%s does not lie in %v", ip, r.internet.Prefixes)
		c.that(of(got.Type) == "static", "type is %q", of(got.Type))
		c.that(of(got.Allocationuuid) != "", "allocationuuid is missing")
		c.that(of(got.Networkid) == of(r.internet.ID) && of(got.Projectid) == r.project, "network %q, project %q", of(got.Networkid), of(got.Projectid))
		return c.err()
	})
	if taken {
		r.step("network ip describe "+ip, func() error {
			got, err := r.describeIP(ip)
			if err != nil {
				return err
			}
			var c checks
			c.that(of(got.Ipaddress) == ip && got.Name == "vip-"+p.slug, "address %q, name %q", of(got.Ipaddress), got.Name)
			return c.err()
		})
	}
}

// specificAddress takes a random free address of the internet, so that runs beside each other don't ask for the same.
func (r *run) specificAddress(plane *plane, name string) (string, error) {
	held, err := r.findIPs(&models.V1IPFindRequest{Networkid: of(r.internet.ID)})
	if err != nil {
		return "", err
	}
	ip, err := randomFree(r.internet.Prefixes, held)
	if err != nil {
		return "", err
	}
	got, err := r.allocateIP(plane, r.ipBody(of(r.internet.ID), r.project, name), ip)
	if err != nil {
		return "", fmt.Errorf("%s: %w", ip, err)
	}
	if of(got.Ipaddress) != ip {
		return "", fmt.Errorf("asked for %s, got %s", ip, of(got.Ipaddress))
	}
	return ip, nil
}

func randomFree(prefixes, held []string) (string, error) {
	for _, text := range prefixes {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || !prefix.Addr().Is4() || prefix.Bits() > 30 {
			continue
		}
		network := prefix.Masked().Addr().As4()
		hosts := uint32(1) << (32 - prefix.Bits())
		base := uint32(network[0])<<24 | uint32(network[1])<<16 | uint32(network[2])<<8 | uint32(network[3])
		for range 1000 {
			n := base + 1 + rand.Uint32N(hosts-2)
			ip := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}).String()
			if !slices.Contains(held, ip) {
				return ip, nil
			}
		}
	}
	return "", fmt.Errorf("no free IPv4 address found in %v, %d are held", prefixes, len(held))
}

func (r *run) childAddresses(p *place) {
	var ip string
	taken := r.step("network ip create in the child of "+p.title, func() error {
		got, err := r.allocateIP(p.plane, r.ipBody(of(p.private.ID), r.project, "node-"+p.slug), "")
		if err != nil {
			return err
		}
		ip = of(got.Ipaddress)
		var c checks
		c.that(contains(p.private.Prefixes, ip), "%s does not lie in %v", ip, p.private.Prefixes)
		c.that(of(got.Type) == "ephemeral", "type is %q", of(got.Type))
		return c.err()
	})
	r.refuses("network ip create in the child of "+p.title+" for another project", refusedWith(422), func() error {
		return only(r.allocateIP(p.plane, r.ipBody(of(p.private.ID), r.stranger, "foreign"), ""))
	})
	if taken {
		r.refuses("network free in "+p.title+" while an address is used", refusedWith(422), func() error { return r.freeNetwork(p) })
		r.releaseIP("network ip delete in the child of "+p.title, p.plane, ip)
	}
}

func (r *run) releaseIP(name string, plane *plane, ip string) {
	if r.step(name, func() error { return r.freeIP(plane, ip) }) {
		r.paid("ip/" + ip)
	}
}

func (r *run) specificAddresses() {
	internet := of(r.internet.ID)
	refused := func(name string, want refusal, body *models.V1IPAllocateRequest, specific string) {
		r.refuses("network ip create "+name, want, func() error { return only(r.allocateIP(r.plane, body, specific)) })
	}
	refused("outside of the network", refusedWith(422), r.ipBody(internet, r.project, "outside"), outside(r.internet.Prefixes))
	refused("that is not an address", refusedWith(422), r.ipBody(internet, r.project, "garbage"), "300.1.2.3")
	refused("with an empty project", refusedWith(400).saying("projectid"), r.ipBody(internet, "", "nobody"), "")
	refused("for an unknown project", refusedWith(404), r.ipBody(internet, r.name("nobody"), "nobody"), "")
	refused("in an unknown network", refusedWith(404), r.ipBody(r.name("nowhere"), r.project, "nowhere"), "")

	var ip string
	if !r.step("network ip create of a specific address", func() (err error) {
		ip, err = r.specificAddress(r.plane, "specific")
		return err
	}) {
		return
	}
	refused("of the same address", conflict[*ipcalls.AllocateSpecificIPConflict](), r.ipBody(internet, r.project, "twin"), ip)
	last := r.places[len(r.places)-1]
	r.refuses("network ip create of the same address through "+last.title, conflict[*ipcalls.AllocateSpecificIPConflict](), func() error {
		return only(r.allocateIP(last.plane, r.ipBody(internet, r.stranger, "twin"), ip))
	})

	tag := "acceptance=" + r.name("specific")
	for _, find := range []struct {
		by   string
		body models.V1IPFindRequest
	}{
		{"network and project", models.V1IPFindRequest{Networkid: internet, Projectid: r.project}},
		{"type", models.V1IPFindRequest{Projectid: r.project, Type: "ephemeral"}},
		{"tags", models.V1IPFindRequest{Tags: []string{tag}}},
		{"address", models.V1IPFindRequest{Ipaddress: ip}},
	} {
		r.step("network ip ls by "+find.by, func() error {
			hits, err := r.findIPs(&find.body)
			if err != nil {
				return err
			}
			count := 0
			for _, hit := range hits {
				if hit == ip {
					count++
				}
			}
			var c checks
			c.that(count == 1, "%s is listed %d times among %v", ip, count, hits)
			c.that(find.by == "network and project" || find.by == "type" || len(hits) == 1, "%d hits instead of one: %v", len(hits), hits)
			return c.err()
		})
	}
	r.step("network ip ls by another type finds it not", func() error {
		hits, err := r.findIPs(&models.V1IPFindRequest{Projectid: r.project, Type: "static"})
		if err == nil && slices.Contains(hits, ip) {
			err = fmt.Errorf("%s is ephemeral, but was found as static", ip)
		}
		return err
	})
	r.step("network ip update to static", func() error {
		body := &models.V1IPUpdateRequest{Ipaddress: &ip, Type: to("static"), Tags: []string{}, Name: "renamed"}
		response, err := r.plane.IP().UpdateIP(ipcalls.NewUpdateIPParams().WithBody(body), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(of(response.Payload.Type) == "static" && response.Payload.Name == "renamed", "type %q, name %q", of(response.Payload.Type), response.Payload.Name)
		c.that(len(response.Payload.Tags) == 0, "an empty list did not clear the tags: %v", response.Payload.Tags)
		return c.err()
	})
	r.refuses("network ip update back to ephemeral", refusedWith(400), func() error {
		body := &models.V1IPUpdateRequest{Ipaddress: &ip, Type: to("ephemeral")}
		return only(r.plane.IP().UpdateIP(ipcalls.NewUpdateIPParams().WithBody(body), nil))
	})
	r.releaseIP("network ip delete", r.plane, ip)
	r.refuses("network ip delete again", refusedWith(404), func() error { return r.freeIP(r.plane, ip) })
	r.refuses("network ip describe of a deleted one", refusedWith(404).saying("NotFound"), func() error { return only(r.describeIP(ip)) })
}

func outside(prefixes []string) string {
	for _, ip := range []string{"192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1"} {
		if !contains(prefixes, ip) {
			return ip
		}
	}
	return "240.0.0.1"
}
