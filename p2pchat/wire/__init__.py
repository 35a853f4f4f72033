"""What peers say to each other: lines, messages, and the conversation, without any I/O."""
