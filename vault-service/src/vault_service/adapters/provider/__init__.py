"""Authorization servers: discovery, the token endpoint, time limits, the circuit breaker."""
