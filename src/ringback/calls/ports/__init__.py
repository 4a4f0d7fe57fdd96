"""What the rules of calls and meetings need of the outside. Edges implement these; ``app.py`` joins the two.

``carrier`` is the SIP side (``telephony``), ``media`` the media side (``media``) with the values it is handed in
``streams``, ``records`` the store, ``clock`` time; ``routes`` is where calls go out, ``reception`` who takes those that
come in, ``paid`` who may spend on them. ``ringback.testing`` has an in-memory twin of each.
"""
