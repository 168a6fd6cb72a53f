"""The door to LangGraph: everything that knows its messages, nodes, tools and insides."""
