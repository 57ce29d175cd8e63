"""Networks as torch modules, their losses and assigners. Only the files that hold modules import torch."""
