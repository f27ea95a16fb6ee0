"""The pages of the cabinet, a class for each subject; the gateway is made of them."""
