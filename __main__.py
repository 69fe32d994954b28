"""``python -m lora_workbench``, which launchers of several processes need: the command ``lora-workbench``."""

from .cli.main import main

raise SystemExit(main())
