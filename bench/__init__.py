"""The benchmark: goals of speed, each as a ratio to a floor that the same run measures. See bench/README.md."""
