"""Who may do what, and the record of who did: accounts, sign-ins, roles, audit trail."""
