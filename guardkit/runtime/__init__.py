"""The flows: gate, approvals, effects, observations, stop. Written once, driven in both colours."""
