package access

const (
	worker      = "/fanout.v1.WorkerService/"
	coordinator = "/fanout.v1.CoordinatorService/"
	health      = "/grpc.health.v1.Health/"
)

// methods is the role that each method asks for, None for those that are open to everybody. A method that is not in it is refused to
// all, so that one that is added is closed until somebody has thought about it.
var methods = map[string]Role{
	worker + "GetWorker":  Reader,
	worker + "FanOut":     Runner,
	worker + "StopFanOut": Runner,
	worker + "RenewLease": Runner,
	worker + "StopAll":    Admin,

	coordinator + "GetRun":           Reader,
	coordinator + "ListRuns":         Reader,
	coordinator + "ListRunIntervals": Reader,
	coordinator + "WatchRun":         Reader,
	coordinator + "VerifyRun":        Reader,
	coordinator + "ListWorkers":      Reader,
	coordinator + "CreateRun":        Runner,
	coordinator + "CancelRun":        Runner,
	coordinator + "DeleteRun":        Runner,
	coordinator + "StopAll":          Admin,

	// Probes have no token, and learn only whether the service takes calls.
	health + "Check": None,
	health + "Watch": Reader, // which stays open, and so is for those who are known
	health + "List":  None,

	// What the API looks like is no secret, but who is not known has nothing to ask.
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo":      Reader,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Reader,
}

// Needed is the role that a method asks for, by its full name, as in /fanout.v1.WorkerService/FanOut; ok is false for one that nobody may
// call.
func Needed(method string) (role Role, ok bool) {
	role, ok = methods[method]
	return role, ok
}
