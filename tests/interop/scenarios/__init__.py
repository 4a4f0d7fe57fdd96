"""What SIPp plays, written step by step."""
