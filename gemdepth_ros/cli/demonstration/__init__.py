"""The demonstration ``gemdepth-ros demo``: player, node and recorder over DDS, and a verdict.

`folder` keeps to what is its own, `clip` makes the input bag, `topics` names what is recorded,
`settings`, `domain` and `children` look after the processes, `run` is the order of events.
`evidence` reads the output bag, `conclude` makes the typed `summary` of it, `checks` judges that,
`table` and `picture` show it.
"""
