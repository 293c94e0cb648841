"""What `bench/run` is made of: rivals that can be started and asked, turns, scenarios, and what is written of them."""
