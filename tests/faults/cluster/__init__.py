"""Clusters of nodes that fail over, from packages: Patroni with etcd, and three RabbitMQ."""
