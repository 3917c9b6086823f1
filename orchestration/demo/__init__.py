"""Made-up people and what they buy, read and click, with the truth about them apart."""
