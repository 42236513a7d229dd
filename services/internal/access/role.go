package access

// Role is what a caller may do. Each may do what those before it may.
type Role int

// The roles.
const (
	None   Role = iota // only what is open to everybody
	Reader             // look at workers and runs
	Runner             // send requests, and end what one has begun
	Admin              // end what others have begun
)

// String is the role as it is written in flags, files and errors.
func (r Role) String() string {
	switch r {
	case Reader:
		return "reader"
	case Runner:
		return "runner"
	case Admin:
		return "admin"
	default:
		return "none"
	}
}

// ParseRole is the role with the name: reader, runner or admin.
func ParseRole(name string) (Role, bool) {
	for _, role := range []Role{Reader, Runner, Admin} {
		if name == role.String() {
			return role, true
		}
	}
	return None, false
}
