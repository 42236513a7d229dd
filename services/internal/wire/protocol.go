package wire

// Protocol is the number of the protocol between coordinator and worker, which GetWorker tells. It goes up with a change after which a
// coordinator and a worker of the number before would misunderstand each other: in what they are granted, when they send, or how they
// count. A field that the other may leave out is no such change.
const Protocol = 1
