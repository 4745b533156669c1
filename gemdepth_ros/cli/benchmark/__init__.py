"""What ``gemdepth-ros bench`` measures: times in fair rounds, memory in a process of its own."""
