package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/metal-stack/metal-go/api/client/filesystemlayout"
	machinecalls "github.com/metal-stack/metal-go/api/client/machine"
	"github.com/metal-stack/metal-go/api/client/partition"
	"github.com/metal-stack/metal-go/api/client/switch_operations"
	"github.com/metal-stack/metal-go/api/models"
)

// patience is how long a machine may take to install, or to come back after it was freed.
const patience = 120 * time.Second

// survey finds in every partition a size with enough waiting machines, and makes sure a layout fits size and image.
func (r *run) survey() bool {
	for _, id := range r.partitions {
		r.places = append(r.places, &place{partition: id, plane: r.plane, title: id, slug: id})
	}
	for i, v := range r.vias {
		if v.partition == "" {
			v.partition = r.partitions[len(r.partitions)-1]
			if slices.Contains(r.partitions, "fra") {
				v.partition = "fra"
			}
		}
		opened, err := open(v.url, r.key, r.keyUser)
		if err != nil || !slices.Contains(r.partitions, v.partition) {
			return r.step("via "+v.url, func() error { return fmt.Errorf("partition %q of %v: %v", v.partition, r.partitions, err) })
		}
		r.places = append(r.places, &place{
			partition: v.partition, plane: opened, title: v.partition + " via " + v.url, slug: v.partition + "-" + strconv.Itoa(i+2),
		})
	}
	whole := true
	for _, id := range r.partitions {
		whole = r.surveyPartition(id) && whole
	}
	return whole
}

func (r *run) surveyPartition(id string) bool {
	var here []*place
	for _, p := range r.places {
		if p.partition == id {
			here = append(here, p)
		}
	}
	var waiting []machine
	ready := r.step(fmt.Sprintf("machine ls in %s: enough wait", id), func() error {
		return r.within(patience, func() error {
			found, err := r.waiting(id)
			waiting = found
			if err == nil && len(found) < len(here) {
				err = fmt.Errorf("%d machines of one size wait in %s, needed are %d", len(found), id, len(here))
			}
			return err
		})
	})
	if !ready {
		return false
	}
	size := of(waiting[0].Size.ID)
	layout := ""
	fits := r.step(fmt.Sprintf("filesystemlayout try for %s and %s", size, r.image.id), func() error {
		body := &models.V1FilesystemLayoutTryRequest{Size: &size, Image: &r.image.id}
		response, err := r.plane.Filesystemlayout().TryFilesystemLayout(filesystemlayout.NewTryFilesystemLayoutParams().WithBody(body), nil)
		if status(err) == 422 {
			layout, err = r.createLayout(size, waiting[0])
			return err
		}
		if err != nil {
			return err
		}
		layout = of(response.Payload.ID)
		return nil
	})
	for _, p := range here {
		p.size, p.layout = size, layout
	}

	r.step("machine issues: none for a waiting machine in "+id, func() error {
		calls := machinecalls.NewIssuesParams().WithBody(&models.V1MachineIssuesRequest{ID: of(waiting[0].ID), Omit: []string{"last-event-error"}})
		response, err := r.plane.Machine().Issues(calls, nil)
		if err != nil {
			return err
		}
		var c checks
		for _, found := range response.Payload {
			c.that(false, "%s has %v", of(found.Machineid), found.Issues)
		}
		return c.err()
	})
	r.step("partition capacity of "+id, func() error {
		row, err := r.capacity(r.plane, id, size)
		if err != nil {
			return err
		}
		var c checks
		c.that(row.Allocatable >= int32(len(here)), "allocatable is %d, %d machines wait", row.Allocatable, len(waiting))
		c.that(row.Total == row.Allocated+row.Allocatable+row.Unavailable, "total %d is not allocated %d + allocatable %d + unavailable %d",
			row.Total, row.Allocated, row.Allocatable, row.Unavailable)
		c.that(row.Total == row.PhonedHome+row.Waiting+row.Other, "total %d is not phoned_home %d + waiting %d + other %d",
			row.Total, row.PhonedHome, row.Waiting, row.Other)
		return c.err()
	})
	r.surveySwitches(id)
	return fits
}

// waiting lists the machines of the size of which most can be allocated now, in the order of their ids.
func (r *run) waiting(partitionID string) ([]machine, error) {
	calls := machinecalls.NewFindMachinesParams().WithBody(&models.V1MachineFindRequest{PartitionID: partitionID})
	response, err := r.plane.Machine().FindMachines(calls, nil)
	if err != nil {
		return nil, err
	}
	bySize := map[string][]machine{}
	for _, m := range response.Payload {
		if m.Size != nil && isWaiting(m) {
			bySize[of(m.Size.ID)] = append(bySize[of(m.Size.ID)], m)
		}
	}
	var most []machine
	for _, size := range slices.Sorted(maps.Keys(bySize)) {
		if len(bySize[size]) > len(most) {
			most = bySize[size]
		}
	}
	slices.SortFunc(most, func(a, b machine) int { return compare(of(a.ID), of(b.ID)) })
	return most, nil
}

func compare(a, b string) int { return slices.Compare([]byte(a), []byte(b)) }

func isWaiting(m machine) bool {
	return m.Allocation == nil && m.State != nil && of(m.State.Value) == "" && of(m.Liveliness) == "Alive" && lastEvent(m) == "Waiting"
}

func lastEvent(m machine) string {
	if m.Events == nil || len(m.Events.Log) == 0 {
		return ""
	}
	return of(m.Events.Log[0].Event)
}

func (r *run) capacity(plane *plane, id, size string) (*models.V1ServerCapacity, error) {
	body := &models.V1PartitionCapacityRequest{ID: id, Sizeid: size}
	response, err := plane.Partition().PartitionCapacity(partition.NewPartitionCapacityParams().WithBody(body), nil)
	if err != nil {
		return nil, err
	}
	for _, row := range response.Payload {
		for _, server := range row.Servers {
			if of(row.ID) == id && of(server.Size) == size {
				return server, nil
			}
		}
	}
	return nil, fmt.Errorf("no row for size %s in %s", size, id)
}

// createLayout makes a layout for exactly this size and image where the plant has none.
func (r *run) createLayout(size string, example machine) (string, error) {
	if example.Hardware == nil || len(example.Hardware.Disks) == 0 {
		return "", fmt.Errorf("no layout fits, and machine %s reports no disk to make one for", of(example.ID))
	}
	id := r.name("layout-" + size)
	disk := of(example.Hardware.Disks[0].Name)
	if len(disk) > 0 && disk[0] != '/' {
		disk = "/dev/" + disk
	}
	part := func(number string) string {
		if len(disk) > 9 && disk[:9] == "/dev/nvme" {
			return disk + "p" + number
		}
		return disk + number
	}
	_, text, _ := cutLast(r.image.id, "-")
	body := &models.V1FilesystemLayoutCreateRequest{
		ID:          &id,
		Constraints: &models.V1FilesystemLayoutConstraints{Sizes: []string{size}, Images: map[string]string{r.image.os: "= " + text}},
		Disks: []*models.V1Disk{{Device: &disk, Wipeonreinstall: to(true), Partitions: []*models.V1DiskPartition{
			{Number: to(int64(1)), Label: "efi", Size: to(int64(500)), Gpttype: to("ef00")},
			{Number: to(int64(2)), Label: "root", Size: to(int64(5000)), Gpttype: to("8300")},
		}}},
		Filesystems: []*models.V1Filesystem{
			{Path: "/boot/efi", Device: to(part("1")), Format: to("vfat"), Label: "efi"},
			{Path: "/", Device: to(part("2")), Format: to("ext4"), Label: "root"},
		},
	}
	if err := only(r.plane.Filesystemlayout().CreateFilesystemLayout(filesystemlayout.NewCreateFilesystemLayoutParams().WithBody(body), nil)); err != nil {
		return "", err
	}
	r.owe("filesystemlayout/"+id, func() error {
		return only(r.plane.Filesystemlayout().DeleteFilesystemLayout(filesystemlayout.NewDeleteFilesystemLayoutParams().WithID(id), nil))
	})
	return id, nil
}

func (r *run) surveySwitches(partitionID string) {
	var first string
	found := r.step("switch ls in "+partitionID, func() error {
		calls := switch_operations.NewFindSwitchesParams().WithBody(&models.V1SwitchFindRequest{Partitionid: partitionID})
		response, err := r.plane.SwitchOperations().FindSwitches(calls, nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(len(response.Payload) > 0, "no switch")
		connections := 0
		for _, s := range response.Payload {
			first = of(s.ID)
			connections += len(s.Connections)
			c.that(s.RackID != nil, "%s: rack_id is missing", first)
			c.that(s.Partition != nil && of(s.Partition.ID) == partitionID, "%s lies in another partition", first)
			names := map[string]bool{}
			for _, nic := range s.Nics {
				c.that(nic.Name != nil && nic.Actual != nil, "%s: a nic without name or actual", first)
				names[of(nic.Name)] = true
			}
			// metalctl ends with an error for a connection whose port is not listed
			for _, connection := range s.Connections {
				c.that(connection.Nic != nil && names[of(connection.Nic.Name)], "%s: a connection of %s names no listed nic", first, connection.MachineID)
			}
		}
		c.that(connections > 0, "no switch is connected to a machine")
		return c.err()
	})
	if !found {
		return
	}
	r.step("switch describe "+first, func() error {
		response, err := r.plane.SwitchOperations().FindSwitch(switch_operations.NewFindSwitchParams().WithID(first), nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(of(response.Payload.ID) == first, "id %q", of(response.Payload.ID))
		c.that(len(response.Payload.Nics) > 0, "no nics")
		return c.err()
	})
	r.refuses("switch describe of an unknown one", refusedWith(404).saying("NotFound"), func() error {
		return only(r.plane.SwitchOperations().FindSwitch(switch_operations.NewFindSwitchParams().WithID(r.name("leaf")), nil))
	})
}
