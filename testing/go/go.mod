module cairnlog.example/tiles-verifier

go 1.26.0

// Not older: before v0.42.0 some tiles were read without being authenticated.
require golang.org/x/mod v0.42.0
