"""The HTTP gateway: the only entry to Saldo for web and mobile clients. It is stateless."""
