/// Why a site stays as it is.
public enum KeptReason: Hashable, Sendable {
  case causal
  case quantised
  /// Query, key or value are dequantised for a product in floating point.
  case quantisedOperands
  case softCap
  case attentionSink
  case headsMixed
  case formNotUnderstood(String)
  case probabilitiesUsedElsewhere(String)
  /// Of the scores, before the softmax.
  case scoresUsedElsewhere(String)
  case lengthsUnknown(String)
  /// Their number and size are dimensions that a run alone tells.
  case headsUnknown
  case maskTooShort(columns: Int, keys: Int)
  case keyCounts
  case typeNotSupported(String)
  case headSizeTooLarge(Int)
  case maskNotSupported(String)
  case biasNeedsExact
  /// The body of a function that other calls share, which differ.
  case sharedBody(String)
  /// To a prompt of no fixed length.
  case crossAttention
  /// Few keys, or few products of queries and keys.
  case cheapCross(queries: Int?, keys: Int, minimum: Int)
  case temporalAxis
  case singleQuery
  case fewTokens(length: Int, minimum: Int)
  case notSelected
  case notInProfile
  /// Replaced it would take so many hundredths of the original's time on this machine.
  case gainsNothing(hundredths: Int)

  /// False where the user may override it with `--only`.
  public var isForCorrectness: Bool {
    switch self {
    case .crossAttention, .cheapCross, .temporalAxis, .singleQuery, .fewTokens, .notSelected, .notInProfile,
      .gainsNothing:
      false
    default: true
    }
  }

  /// One sentence.
  public var sentence: String {
    switch self {
    case .causal: "It is causal, which the operator does not do."
    case .quantised: "Its products are quantised."
    case .quantisedOperands: "Its queries, keys or values are quantised."
    case .softCap: "Its scores have a soft cap, which the operator does not do."
    case .attentionSink: "It has an attention sink beside the keys, which the operator does not do."
    case .headsMixed: "Its heads are mixed beside the softmax, as talking heads are."
    case .formNotUnderstood(let what): "It is attention of a form that is not understood: \(what)."
    case .probabilitiesUsedElsewhere(let user): "Its weights are also used by \(user)."
    case .scoresUsedElsewhere(let user): "Its scores are also used by \(user)."
    case .lengthsUnknown(let what): "The graph does not tell \(what)."
    case .headsUnknown: "The number and size of its heads are told by a run alone."
    case .maskTooShort(let columns, let keys): "Its mask has \(columns) columns for \(keys) keys."
    case .keyCounts: "It takes the number of keys of each batch entry (nonpad_kv_seqlen), which is not read."
    case .typeNotSupported(let type): "It computes in \(type)."
    case .headSizeTooLarge(let size): "Its heads are \(size) wide, and the operator's 256 at most."
    case .maskNotSupported(let what): "Its mask cannot be taken over: \(what)."
    case .sharedBody(let other): "It shares a function's body with \(other), which is another or stays."
    case .biasNeedsExact: "It adds a bias to the scores, which only exact attention can."
    case .crossAttention: "It attends to a prompt, which is short beside a video."
    case .cheapCross(let queries, let keys, let minimum):
      keys < minimum
        ? "It is cross-attention to \(keys) keys, fewer than \(minimum)."
        : "It is cross-attention of \(queries.map { "\($0) queries" } ?? "queries") to \(keys) keys, which costs less "
          + "than self-attention over \(minimum) tokens."
    case .temporalAxis: "It attends over frames alone, which is short."
    case .singleQuery: "It has one query."
    case .fewTokens(let length, let minimum): "It has \(length) tokens, fewer than \(minimum)."
    case .notSelected: "It was not asked for."
    case .notInProfile: "The profile does not name it."
    case .gainsNothing(let hundredths):
      "Replacing it gains nothing on this machine: it would take \(hundredths / 100).\(hundredths / 10 % 10)"
        + "\(hundredths % 10) of the original's time."
    }
  }

  /// What the user may do.
  public var hint: String {
    switch self {
    case .causal, .softCap, .attentionSink, .headsMixed: "Nothing is to be done."
    case .quantised, .quantisedOperands: "Patch the model before it is quantised."
    case .formNotUnderstood: "Run inspect --verbose and report the export."
    case .probabilitiesUsedElsewhere: "Export the model without returning attention weights."
    case .scoresUsedElsewhere: "Export the model without returning scores."
    case .headsUnknown:
      "Export with heads and head size as numbers, or fix these dimensions of the inputs: python -m "
        + "onnxruntime.tools.make_dynamic_shape_fixed --dim_param NAME --dim_value N IN OUT."
    case .maskTooShort: "Export with a mask as wide as the keys, the further ones hidden."
    case .keyCounts: "Export with a boolean mask of batch × 1 × 1 × keys in its place."
    case .lengthsUnknown: "Export with shapes, or run onnx's shape inference first."
    case .typeNotSupported: "Export in float32, float16 or bfloat16."
    case .headSizeTooLarge: "Nothing is to be done."
    case .maskNotSupported: "Export without the mask where it hides nothing."
    case .sharedBody: "Inline the model's functions first, or name all sites of the function with --only."
    case .biasNeedsExact: "Use --mode exact for it."
    case .crossAttention, .temporalAxis, .singleQuery, .gainsNothing:
      "Name it with --only to replace it all the same."
    case .cheapCross, .fewTokens: "Lower --min-tokens, or name it with --only."
    case .notSelected: "Change --only or --except."
    case .notInProfile: "Calibrate again with it."
    }
  }
}
