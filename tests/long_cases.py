"""Cases that take long and whose parts others show: `make test-all` runs them.

By file: how the name of a test begins, and the parameters of its long cases.
A test that always takes long is marked where it stands, by `pytest.mark.long`.
"""

CASES = {
    "heads/test_conditional_dbn.py": {
        "test_one_layer_is_an_rbm": ["context"],
        "test_annealing_finds_log_z_from_both_sides": ["context"],
    },
    "heads/test_conditional_rbm.py": {
        "test_the_two_estimates_lie_on_either_side": [
            "gamma-False",
            "bernoulli-True",
            "gaussian-True",
        ],
    },
    "heads/test_contract.py": {
        "test_loss_gradients_and_draws_are_the_same_compiled": [
            "persistent rbm",
            "gaussian rbm, context",
            "centered rbm, context",
            "gamma rbm, context",
            "orderless nade, context",
            "mixture, context",
        ],
        "test_likelihoods_are_in_single_precision": [
            "float64-dbn, context",
            "bfloat16-dbn, context",
            "float64-gaussian rbm, context",
            "float64-gamma rbm, context",
            "float64-centered rbm, context",
            "mixed_float16-gamma rbm, context",
            "float64-orderless nade, context",
            "bfloat16-mixture, context",
        ],
        "test_a_weight_that_is_nan_is_not_drawn": [
            "gamma rbm, context",
            "mixture, context",
            "centered rbm, context",
            "gaussian rbm, context",
            "dbn, context",
            "orderless nade, context",
            "tied nade, context",
        ],
        "test_arrays_and_tensors_without_axes": [
            "gamma rbm, context",
            "gaussian rbm, context",
            "dbn, context",
            "mixture, context",
            "centered rbm, context",
        ],
    },
    "heads/test_head.py": {
        "test_plain_fit": ["dbn", "nade"],
        "test_evaluate": ["dbn", "nade"],
        "test_a_saved": ["dbn"],
    },
    "energy/test_gibbs.py": {
        "test_persistent_chains_follow": ["gaussian"],
    },
    "energy/test_estimates.py": {
        "test_an_estimate_that_claims_to_have_converged": ["3-3-bridge", "12-9-ais"],
    },
    "layers/contract/test_graphs.py": {
        "test_compiled_by_itself": [
            "adaptive parallel",
            "boltzmann",
            "tanh gated",
            "peephole lstm",
        ],
        "test_batch_and_time_may_be_unknown": ["joined"],
        "test_compiled_or_not_fitting": ["adaptive"],
    },
    "layers/contract/test_loop.py": {
        "test_a_layer_is_its_cell": [
            "no mask-joined",
            "no mask-sfm per frequency",
            "no mask-sfm learned",
            "no mask-adaptive accumulated",
            "no mask-adaptive parallel",
            "gaps-joined",
            "gaps-sfm learned",
            "gaps-adaptive steady",
            "gaps-adaptive accumulated",
            "no mask-adaptive steady",
        ],
    },
    "layers/contract/test_nesting.py": {
        "test_wrapped_it_runs_trains_and_saves": [
            "bidirectional-joined",
            "stacked cells-joined",
            "bidirectional-tanh gated",
            "stacked cells-tanh gated",
            "stacked cells-adaptive parallel",
            "bidirectional-adaptive parallel",
            "stacked cells-patches",
        ],
    },
    "layers/contract/test_saving.py": {
        "test_an_exported_model_gives_the_same": ["sfm parallel", "adaptive steady"],
        "test_a_served_step": ["joined", "adaptive parallel"],
    },
    "layers/contract/test_second_derivatives.py": {
        "test_forward_mode_and_products": ["patches"],
        "test_the_gradient_of_a_penalty": [
            "adaptive parallel",
            "sfm",
            "tanh gated",
            "peephole lstm",
        ],
    },
    "layers/contract/test_types.py": {
        "test_a_policy_sets": [
            "float64-joined",
            "mixed_float16-joined",
            "mixed_bfloat16-sfm per frequency",
            "mixed_bfloat16-sfm learned",
            "mixed_bfloat16-adaptive accumulated",
            "mixed_bfloat16-adaptive steady",
            "mixed_float16-adaptive accumulated",
            "mixed_float16-sfm learned",
            "mixed_float16-adaptive steady",
            "mixed_float16-sfm per frequency",
            "float64-adaptive steady",
        ],
    },
    "models/test_contract.py": {
        # In all tests; others show an LSTM, each of two memories, an RBM that is not centered.
        "test_": ["gru, bernoulli", "joined, bernoulli", "simple rnn cell, centered rbm"],
        "test_a_model_is_saved": [
            "stack, bernoulli",
            "simple rnn cell, tied nade",
            "simple rnn cell, gaussian rbm",
            "simple rnn cell, nade",
        ],
        "test_fitting_moves_every_weight": [
            "stack, bernoulli",
            "sfm, bernoulli",
            "simple rnn cell, gaussian rbm",
            "simple rnn cell, tied nade",
            "simple rnn cell, nade",
            "simple rnn cell, rbm",
        ],
        "test_score_evaluate": ["stack, bernoulli"],
        "test_the_score_is_that": ["stack, bernoulli"],
        "test_padding_changes_neither": [
            "simple rnn cell, gaussian rbm",
            "simple rnn cell, tied nade",
            "stack, bernoulli",
            "dropout, bernoulli",
        ],
    },
    "models/test_infilling.py": {
        "test_draws_are_those_of_the_units": ["single_frames", "temperature_and_prime"],
    },
    "models/test_keras_habits.py": {
        "test_generators_and_py_datasets_of_batches": ["True"],
        "test_a_run_that_backup_and_restore_resumes": [
            "list-BackupAndRestore0",
            "array-BackupAndRestore",
            "steps-BackupAndRestore",
            "py_dataset-BackupAndRestore",
            "list-BackupAndRestore1",
        ],
    },
    "models/test_likelihood.py": {
        "test_an_estimate_is_bracketed": ["memory"],
        "test_pieces_of_long_sequences": ["lstbm"],
    },
    "models/test_memory.py": {
        "test_the_tanh_unit_trains": ["False-True"],
    },
    "models/test_nonfinite.py": {
        "test_an_epoch_without_a_finite_step": ["weights"],
        "test_finite_steps_are_those": ["decay and norm", "scaled"],
        "test_skipped_steps_change_nothing": [
            "accumulation-True",
            "scaled-True",
            "decay and norm-False",
        ],
        "test_what_is_not_finite_is_dealt_with": ["shrink-False"],
    },
    "models/test_pretraining.py": {
        "test_a_head_of_several_layers": ["contrastive-units1"],
    },
    "models/test_rnn_models.py": {
        "test_a_cycle_is_learned": ["orderless nade"],
        "test_training_and_draws_are_the_same_in_eager": ["orderless nade"],
    },
    "models/test_stacking.py": {
        "test_each_layer_learns": ["gaussian"],
    },
    "models/test_temporal_rbm_training.py": {
        "test_training_raises_the_likelihood": ["lstm-None", "trbm-None", "rtrbm-None"],
    },
    "test_goldens.py": {
        "test_models_of_sequences_score": [
            "rnn_dbn_contrastive-0.1",
            "for_spectrograms-0.1",
            "rbm_gamma-0.1",
        ],
    },
    "test_presets.py": {
        "test_a_card_has_the_score": [
            "tied-nade-musedata",
            "tied-nade-nottingham",
            "tied-nade-piano-midi",
            "tied-nade-jsb",
        ],
    },
    "test_runtimes.py": {
        "test_a_model_is_what_the_table_promises": [
            f"{row}-ONNX Runtime"
            for row in (
                "with `keras.layers.GRU`, dropout, backwards",
                '`dtype="mixed_float16"`',
                "`keras.layers.Masking`",
                "our cells in `keras.layers.RNN`",
                '`AdaptiveSFM(phase="accumulated")`',
                "`keras.layers.Bidirectional`",
                "`jit_compile=True`",
                '`SFM`, `AdaptiveSFM(phase="accumulated")`, `gates="input"`',
            )
        ],
    },
    "layers/contract/test_dropout.py": {
        "test_what_is_dropped_is_the_same": [
            "sfm learned-dropout",
            "sfm learned-recurrent_dropout",
            "sfm per frequency-dropout",
            "sfm per frequency-recurrent_dropout",
            "adaptive steady-dropout",
            "adaptive steady-recurrent_dropout",
            "adaptive accumulated-dropout",
            "adaptive accumulated-recurrent_dropout",
        ],
    },
    "layers/contract/test_masks.py": {
        "test_what_masked_frames_hold": [
            "training-joined",
            "training-adaptive accumulated",
            "training-sfm learned",
        ],
    },
}


def is_long(file, name):
    """Returns whether a test, by its file below `tests/` and its name, is one of these."""
    test, _, case = name.partition("[")
    tests = CASES.get(file, {}).items()
    return any(test.startswith(start) and case[:-1] in cases for start, cases in tests)
