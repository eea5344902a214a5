"""What several channels share of one provider: how it is called, its codes, its signatures. No channel's own rules."""
