/// What the key mask makes of the keys that it hides.
public enum MaskedKeys: Equatable, Sendable {
  /// Nothing: they enter neither scores, means nor counts.
  case absent
  /// This is their score, as where a graph puts a number in its place. Together they are one more term of every query's
  /// softmax: ln of how many they are, and the mean of their values. They enter no block's means or counts.
  case scored(Float)
  /// This is added to their scores, as where a graph adds a low number. It leaves nothing of them beside other keys; a
  /// batch entry that has no others attends to all of them, exactly under any policy, with scores rounded as float32's
  /// sum rounds them.
  case biased(Float)

  public var isBiased: Bool { if case .biased = self { true } else { false } }
}

/// What a query without any key gives. Where there are no keys at all, the output is zero all the same.
public enum EmptyRows: String, Sendable, CaseIterable {
  case zero, nan

  public var value: Float { self == .zero ? 0 : .nan }
}
