"""Methods that tell what the alert of a stamp is."""
