"""The HTTP gateway: the only door of Saldo for web and mobile clients. It keeps no state."""
