package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/netip"

	metalgo "github.com/metal-stack/metal-go"
	networkcalls "github.com/metal-stack/metal-go/api/client/network"
	"github.com/metal-stack/metal-go/api/models"
)

// plane is one address of the control plane.
type plane struct {
	metalgo.Client
	url string
}

func open(url, key, keyUser string) (*plane, error) {
	var options []metalgo.ClientOption
	if key != "" {
		options = append(options, metalgo.HMACAuth(key, keyUser))
	}
	client, err := metalgo.NewClient(url, options...)
	if err != nil {
		return nil, err
	}
	return &plane{client, url}, nil
}

// The models of the generated client under the field's words.
type (
	machine = *models.V1MachineResponse
	network = *models.V1NetworkResponse
	address = *models.V1IPResponse
)

// image is the operating system that machines get.
type image struct {
	id    string // ubuntu-24.4.20260201
	short string // ubuntu-24.4, which the server resolves to the newest patch
	os    string
}

// place is a partition as seen through one address. A partition that is run through more addresses has a place for each.
type place struct {
	partition, size string
	plane           *plane
	title           string // "fra", or "fra via http://…"
	slug            string // the same for names: "fra", "fra-2"
	layout          string
	super           network
	private         network
	external        string // an address of the internet to attach, empty: acquire one
	hostname        string
	machine         string // id, once allocated
}

func to[T any](value T) *T { return &value }

// of reads a required property, which the client leaves nil when the server did not send it.
func of[T any](property *T) T {
	if property == nil {
		var missing T
		return missing
	}
	return *property
}

// sshKey is a fresh public key as one line of an authorized_keys file.
func sshKey() (string, error) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", err
	}
	var wire []byte
	for _, part := range [][]byte{[]byte("ssh-ed25519"), public} {
		wire = binary.BigEndian.AppendUint32(wire, uint32(len(part)))
		wire = append(wire, part...)
	}
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(wire) + " acceptance", nil
}

// contains says whether the address lies in one of the prefixes.
func contains(prefixes []string, ip string) bool {
	parsed, err := netip.ParseAddr(ip)
	if err != nil {
		return false
	}
	for _, text := range prefixes {
		if prefix, err := netip.ParsePrefix(text); err == nil && prefix.Contains(parsed) {
			return true
		}
	}
	return false
}

// families counts the address families of the prefixes: a machine gets one address of each.
func families(prefixes []string) int {
	four, six := 0, 0
	for _, text := range prefixes {
		if prefix, err := netip.ParsePrefix(text); err == nil && prefix.Addr().Is4() {
			four = 1
		} else {
			six = 1
		}
	}
	return four + six
}

// freePrefix is the first candidate that overlaps no prefix of any network.
func (p *plane) freePrefix(candidates []string) (string, error) {
	listed, err := p.Network().ListNetworks(networkcalls.NewListNetworksParams(), nil)
	if err != nil {
		return "", err
	}
	var taken []netip.Prefix
	for _, n := range listed.Payload {
		for _, text := range n.Prefixes {
			if prefix, err := netip.ParsePrefix(text); err == nil {
				taken = append(taken, prefix)
			}
		}
	}
next:
	for _, text := range candidates {
		candidate := netip.MustParsePrefix(text)
		for _, prefix := range taken {
			if prefix.Overlaps(candidate) {
				continue next
			}
		}
		return text, nil
	}
	return "", fmt.Errorf("each of %v overlaps a network of the plane", candidates)
}

// privatePrefixes are candidates for super networks.
func privatePrefixes() []string {
	var candidates []string
	for second := 255; second >= 128; second-- {
		candidates = append(candidates, fmt.Sprintf("10.%d.0.0/16", second))
	}
	return candidates
}

// documentationPrefixes are candidates for an internet (RFC 5737, RFC 2544).
func documentationPrefixes() []string {
	return []string{"203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "198.18.113.0/24", "198.19.113.0/24"}
}
