package web

import "fmt"

// Role says what somebody may do. Each role may do all that those before it may.
type Role string

// Roles, from the least to the most.
const (
	RoleViewer   Role = "viewer"   // reads everything
	RoleBilling  Role = "billing"  // also acknowledges and resolves incidents, and downloads CDRs
	RoleOperator Role = "operator" // also pauses and resumes the sending of BYEs, and reads the audit log
)

// rank orders the roles; an unknown one may do nothing.
func (r Role) rank() int {
	switch r {
	case RoleViewer:
		return 1
	case RoleBilling:
		return 2
	case RoleOperator:
		return 3
	}
	return 0
}

// May says whether r includes what needs the role need.
func (r Role) May(need Role) bool { return r.rank() > 0 && r.rank() >= need.rank() }

func (r Role) validate() error {
	if r.rank() == 0 {
		return fmt.Errorf("role: %q; use viewer, billing or operator", string(r))
	}
	return nil
}
