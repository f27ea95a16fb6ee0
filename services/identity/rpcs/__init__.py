"""The RPCs of identity, a class for each subject; the service is made of them.

Random, keyed and slow work happens here, so that the use cases stay pure: codes, passwords and
tokens are generated, fingerprints computed and passwords hashed outside transactions.
"""
