"""The fold: what an event changes in its call, and the increments it yields. Pure."""
