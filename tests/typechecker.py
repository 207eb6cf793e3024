"""The checker behind the import hook: beartype, with the rule of PEP 484 that an int will do where a float is asked."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
