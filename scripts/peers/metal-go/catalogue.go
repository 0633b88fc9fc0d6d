package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/metal-stack/metal-go/api/client/health"
	imagecalls "github.com/metal-stack/metal-go/api/client/image"
	machinecalls "github.com/metal-stack/metal-go/api/client/machine"
	"github.com/metal-stack/metal-go/api/client/partition"
	sizecalls "github.com/metal-stack/metal-go/api/client/size"
	"github.com/metal-stack/metal-go/api/client/version"
	"github.com/metal-stack/metal-go/api/models"
)

// greet asks who is there, and whether credentials are proved.
func (r *run) greet() bool {
	semver := regexp.MustCompile(`^v0\.(\d|1[0-7])\.\d+$|^v0\.18\.[0-8]$`)
	there := r.step("version", func() error {
		response, err := r.plane.Version().Info(version.NewInfoParams(), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(of(response.Payload.Name) != "", "name is missing")
		c.that(of(response.Payload.Version) != "", "version is missing")
		least := of(response.Payload.MinClientVersion)
		c.that(semver.MatchString(least), "min_client_version %q: metalctl v0.18.8 could not log in", least)
		return c.err()
	})
	if !there {
		return false
	}
	r.step("health", func() error {
		response, err := r.plane.Health().Health(health.NewHealthParams(), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(of(response.Payload.Status) == "healthy", "status %q, message %q", of(response.Payload.Status), of(response.Payload.Message))
		return c.err()
	})
	r.refuses("size ls with a wrong HMAC key", refusedWith(403).saying("Wrong HMAC found"), func() error {
		forger, err := open(r.plane.url, r.key+"-wrong", r.keyUser)
		if err != nil {
			return err
		}
		return only(forger.Size().ListSizes(sizecalls.NewListSizesParams(), nil))
	})
	return r.step("partition ls", func() error {
		response, err := r.plane.Partition().ListPartitions(partition.NewListPartitionsParams(), nil)
		if err != nil {
			return err
		}
		var found []string
		for _, p := range response.Payload {
			found = append(found, of(p.ID))
		}
		slices.Sort(found)
		if len(r.partitions) == 0 {
			r.partitions = found
		}
		var c checks
		c.that(len(found) > 0, "no partition")
		for _, wanted := range r.partitions {
			c.that(slices.Contains(found, wanted), "partition %q is not among %v", wanted, found)
		}
		return c.err()
	})
}

// catalogue reads what the plant offers: partitions, sizes, images, issues.
func (r *run) catalogue() bool {
	for _, id := range r.partitions {
		r.step("partition describe "+id, func() error {
			response, err := r.plane.Partition().FindPartition(partition.NewFindPartitionParams().WithID(id), nil)
			if err != nil {
				return err
			}
			var c checks
			c.that(of(response.Payload.ID) == id, "id %q", of(response.Payload.ID))
			c.that(response.Payload.Bootconfig != nil && response.Payload.Bootconfig.Kernelurl != "", "bootconfig.kernelurl is missing")
			c.that(!time.Time(response.Payload.Created).IsZero(), "created is missing")
			return c.err()
		})
	}
	r.refuses("partition describe of an unknown one", refusedWith(404).saying("NotFound"), func() error {
		return only(r.plane.Partition().FindPartition(partition.NewFindPartitionParams().WithID(r.name("ham")), nil))
	})
	r.refuses("partition capacity of an unknown one", refusedWith(400), func() error {
		body := &models.V1PartitionCapacityRequest{ID: r.name("ham")}
		return only(r.plane.Partition().PartitionCapacity(partition.NewPartitionCapacityParams().WithBody(body), nil))
	})

	var size string
	r.step("size ls", func() error {
		response, err := r.plane.Size().ListSizes(sizecalls.NewListSizesParams(), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(len(response.Payload) > 0, "no size")
		for _, s := range response.Payload {
			size = of(s.ID)
			c.that(size != "", "a size without id")
			c.that(len(s.Constraints) > 0, "size %q without constraints", size)
			for _, constraint := range s.Constraints {
				c.that(of(constraint.Type) != "", "size %q: a constraint without type", size)
			}
		}
		return c.err()
	})
	r.step("size describe "+orElse(size, "of none"), func() error {
		response, err := r.plane.Size().FindSize(sizecalls.NewFindSizeParams().WithID(size), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(of(response.Payload.ID) == size, "id %q", of(response.Payload.ID))
		c.that(len(response.Payload.Constraints) > 0, "no constraints")
		return c.err()
	})
	r.refuses("size describe of an unknown one", refusedWith(404).saying("NotFound"), func() error {
		return only(r.plane.Size().FindSize(sizecalls.NewFindSizeParams().WithID(r.name("size")), nil))
	})

	chosen := r.step("image ls", r.chooseImage)
	r.refuses("image describe of an unknown one", refusedWith(404).saying("NotFound"), func() error {
		return only(r.plane.Image().FindImage(imagecalls.NewFindImageParams().WithID("ubuntu-1.0.19700101"), nil))
	})
	r.step("machine issues list", func() error {
		response, err := r.plane.Machine().ListIssues(machinecalls.NewListIssuesParams(), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(len(response.Payload) == 13, "%d issues instead of 13", len(response.Payload))
		for _, issue := range response.Payload {
			c.that(of(issue.ID) != "" && of(issue.Severity) != "" && of(issue.Description) != "" && issue.Details != nil && of(issue.RefURL) != "",
				"issue %q lacks a field", of(issue.ID))
		}
		return c.err()
	})
	return chosen
}

// chooseImage takes the newest image for machines, and works out the short name that resolves to it.
func (r *run) chooseImage() error {
	calls := imagecalls.NewFindImagesParams().WithBody(&models.V1ImageFindRequest{Features: []string{"machine"}})
	response, err := r.plane.Image().FindImages(calls, nil)
	if err != nil {
		return err
	}
	var c checks
	var newest []int
	for _, found := range response.Payload {
		id := of(found.ID)
		c.that(slices.Contains(found.Features, "machine"), "%s was not asked for, its features are %v", id, found.Features)
		c.that(found.ExpirationDate != nil && time.Time(*found.ExpirationDate).Year() > 1970, "%s: expirationDate is not a date", id)
		os, text, cut := cutLast(id, "-")
		numbers := versionOf(text)
		if !cut || len(numbers) != 3 || slices.Compare(numbers, newest) <= 0 {
			continue
		}
		newest = numbers
		parts := strings.Split(text, ".")
		r.image = image{id: id, os: os, short: os + "-" + parts[0] + "." + parts[1]}
	}
	c.that(r.image.id != "", "no image with feature machine and a version of three numbers among %d", len(response.Payload))
	return c.err()
}

func cutLast(text, separator string) (before, after string, found bool) {
	if at := strings.LastIndex(text, separator); at >= 0 {
		return text[:at], text[at+len(separator):], true
	}
	return text, "", false
}

func versionOf(text string) []int {
	var numbers []int
	for part := range strings.SplitSeq(text, ".") {
		var number int
		if _, err := fmt.Sscanf(part, "%d", &number); err != nil {
			return nil
		}
		numbers = append(numbers, number)
	}
	return numbers
}
