package main

import (
	"fmt"

	projectcalls "github.com/metal-stack/metal-go/api/client/project"
	tenantcalls "github.com/metal-stack/metal-go/api/client/tenant"
	"github.com/metal-stack/metal-go/api/models"
)

// machineQuota is generous: it must not get in the way of the places.
const machineQuota = 64

// tenancy creates a tenant with two projects and changes them the way metalctl does.
func (r *run) tenancy() bool {
	r.tenant = r.name("tenant")
	tenant := &models.V1TenantCreateRequest{
		Meta: &models.V1Meta{ID: r.tenant, Kind: "Tenant", Apiversion: "v1", Labels: []string{"a"}, Annotations: map[string]string{"k": "v"}},
		Name: r.tenant, Description: "acceptance", Quotas: &models.V1QuotaSet{},
	}
	create := func() error {
		return only(r.plane.Tenant().CreateTenant(tenantcalls.NewCreateTenantParams().WithBody(tenant), nil))
	}
	if !r.step("tenant create", create) {
		return false
	}
	r.owe("tenant/"+r.tenant, r.deleteTenant)
	r.refuses("tenant create again", conflict[*tenantcalls.CreateTenantConflict](), create)

	describe := func() (*models.V1TenantResponse, error) {
		response, err := r.plane.Tenant().GetTenant(tenantcalls.NewGetTenantParams().WithID(r.tenant), nil)
		if err != nil {
			return nil, err
		}
		if response.Payload.Meta == nil {
			return nil, fmt.Errorf("meta is missing")
		}
		return response.Payload, nil
	}
	r.step("tenant describe and update", func() error {
		stored, err := describe()
		if err != nil {
			return err
		}
		var c checks
		c.that(stored.Meta.ID == r.tenant && stored.Meta.Kind == "Tenant", "meta is %+v", *stored.Meta)
		c.that(stored.Meta.Annotations["k"] == "v", "annotations are %v", stored.Meta.Annotations)
		body := &models.V1TenantUpdateRequest{Meta: stored.Meta, Name: "renamed", Description: stored.Description, Quotas: stored.Quotas}
		if _, err := r.plane.Tenant().UpdateTenant(tenantcalls.NewUpdateTenantParams().WithBody(body), nil); err != nil {
			return err
		}
		after, err := describe()
		if err != nil {
			return err
		}
		c.that(after.Name == "renamed", "name is %q", after.Name)
		c.that(after.Meta.Version > stored.Meta.Version, "meta.version went from %d to %d", stored.Meta.Version, after.Meta.Version)
		return c.err()
	})
	r.step("tenant ls by id", func() error {
		calls := tenantcalls.NewFindTenantsParams().WithBody(&models.V1TenantFindRequest{ID: r.tenant})
		response, err := r.plane.Tenant().FindTenants(calls, nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(len(response.Payload) == 1 && response.Payload[0].Meta != nil, "%d tenants instead of one with meta", len(response.Payload))
		return c.err()
	})

	r.refuses("project create for an unknown tenant", refusedWith(404), func() error {
		_, err := r.createProject("lost", r.name("nobody"))
		return err
	})
	for _, made := range []struct {
		name string
		id   *string
	}{{"owner", &r.project}, {"stranger", &r.stranger}} {
		if !r.step("project create "+made.name, func() (err error) {
			*made.id, err = r.createProject(made.name, r.tenant)
			return err
		}) {
			return false
		}
		r.owe("project/"+*made.id, func() error { return r.deleteProject(*made.id) })
	}
	r.projectLife()
	return true
}

func (r *run) createProject(name, tenant string) (string, error) {
	body := &models.V1ProjectCreateRequest{
		Meta: &models.V1Meta{Kind: "Project", Apiversion: "v1"}, Name: r.name(name), Description: "acceptance", TenantID: tenant,
		Quotas: &models.V1QuotaSet{Machine: &models.V1Quota{Quota: machineQuota}},
	}
	response, err := r.plane.Project().CreateProject(projectcalls.NewCreateProjectParams().WithBody(body), nil)
	if err != nil {
		return "", err
	}
	if response.Payload.Meta == nil || response.Payload.Meta.ID == "" {
		return "", fmt.Errorf("the answer has no meta.id")
	}
	return response.Payload.Meta.ID, nil
}

func (r *run) deleteProject(id string) error {
	return only(r.plane.Project().DeleteProject(projectcalls.NewDeleteProjectParams().WithID(id), nil))
}

func (r *run) deleteTenant() error {
	return only(r.plane.Tenant().DeleteTenant(tenantcalls.NewDeleteTenantParams().WithID(r.tenant), nil))
}

func (r *run) describeProject(plane *plane) (*models.V1ProjectResponse, error) {
	response, err := plane.Project().FindProject(projectcalls.NewFindProjectParams().WithID(r.project), nil)
	if err != nil {
		return nil, err
	}
	if response.Payload.Meta == nil {
		return nil, fmt.Errorf("meta is missing")
	}
	return response.Payload, nil
}

func (r *run) projectLife() {
	r.refuses("project create with the same id", conflict[*projectcalls.CreateProjectConflict](), func() error {
		body := &models.V1ProjectCreateRequest{Meta: &models.V1Meta{ID: r.project}, Name: "twin", TenantID: r.tenant}
		return only(r.plane.Project().CreateProject(projectcalls.NewCreateProjectParams().WithBody(body), nil))
	})
	r.step("project ls by tenant", func() error {
		calls := projectcalls.NewFindProjectsParams().WithBody(&models.V1ProjectFindRequest{TenantID: r.tenant})
		response, err := r.plane.Project().FindProjects(calls, nil)
		if err != nil {
			return err
		}
		var c checks
		c.that(len(response.Payload) == 2, "%d projects instead of 2", len(response.Payload))
		for _, p := range response.Payload {
			c.that(p.Meta != nil && p.TenantID == r.tenant, "a project without meta, or of tenant %q", p.TenantID)
		}
		return c.err()
	})
	var stored *models.V1ProjectResponse
	r.step("project describe", func() (err error) {
		if stored, err = r.describeProject(r.plane); err != nil {
			return err
		}
		var c checks
		c.that(stored.Meta.ID == r.project && stored.TenantID == r.tenant, "id %q, tenant %q", stored.Meta.ID, stored.TenantID)
		if stored.Quotas == nil || stored.Quotas.Machine == nil {
			c.that(false, "quotas.machine is missing")
		} else {
			c.that(stored.Quotas.Machine.Quota == machineQuota && stored.Quotas.Machine.Used == 0, "quotas.machine is %+v", *stored.Quotas.Machine)
		}
		return c.err()
	})
	if stored == nil {
		return
	}
	update := func() error {
		body := &models.V1ProjectUpdateRequest{Meta: stored.Meta, Name: stored.Name, Description: "changed", Quotas: stored.Quotas, TenantID: stored.TenantID}
		return only(r.plane.Project().UpdateProject(projectcalls.NewUpdateProjectParams().WithBody(body), nil))
	}
	r.step("project update", func() error {
		if err := update(); err != nil {
			return err
		}
		after, err := r.describeProject(r.plane)
		if err != nil {
			return err
		}
		var c checks
		c.that(after.Description == "changed", "description is %q", after.Description)
		c.that(after.Meta.Version > stored.Meta.Version, "meta.version went from %d to %d", stored.Meta.Version, after.Meta.Version)
		return c.err()
	})
	// documented is a typed 412; metal-api itself answers 422, so a client has to live with both
	r.refuses("project update with an old version", refusedWith(412, 422), update)
	r.refuses("project update that changes the tenant", refusedWith(422), func() error {
		current, err := r.describeProject(r.plane)
		if err != nil {
			return err
		}
		body := &models.V1ProjectUpdateRequest{Meta: current.Meta, Name: current.Name, Quotas: current.Quotas, TenantID: r.name("nobody")}
		return only(r.plane.Project().UpdateProject(projectcalls.NewUpdateProjectParams().WithBody(body), nil))
	})
}
