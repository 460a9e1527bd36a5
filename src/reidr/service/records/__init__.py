"""What a site keeps besides crops: keys, cases, decisions, receipts, and logs to which one can only add."""
