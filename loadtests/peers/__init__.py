"""What others would do with the same instance: sorted lists, a flow, and the whole model in three engines."""

FIRST_COME, BY_PRIORITY, FLOW = "first come", "by priority", "flow"
ENGINES = ("SCIP", "HiGHS", "CP-SAT")
PEERS = (FIRST_COME, BY_PRIORITY, FLOW, *ENGINES)
