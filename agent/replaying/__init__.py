"""What the agent would have done on a chat that was exported: the real pipeline, nothing sent.

`chat` reads the export, `network` is the network that swallows what is sent, `scratch` the
database and settings of one replay, `driving` moves the clock from event to event, `turns` and
`tally` keep what came out, `costs` what a model costs, `report` writes it for people, and
`replay.replay` puts them together.
"""
