"""The command ``gemdepth-ros``: one module per sub-command, loaded when it is chosen."""
