"""What is compared: each scenario starts its rivals, has their answers looked at, and gives them turns."""
