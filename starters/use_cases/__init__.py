"""One typed function a use case. The command line and HTTP both call these and nothing else."""
