"""How a client gets over what goes wrong: peers that vanish, servers that start again, units that fall silent."""
