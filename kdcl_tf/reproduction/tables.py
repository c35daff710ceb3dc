"""The paper's tables by number."""

from kdcl_tf.reproduction.cifar_tables import CIFAR_TABLES
from kdcl_tf.reproduction.imagenet_tables import IMAGENET_TABLES

TABLES = {table.number: table for table in (*IMAGENET_TABLES, *CIFAR_TABLES)}
