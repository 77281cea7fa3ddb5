/// The two operators.
enum Operator: Int32, CaseIterable {
  case attention
  case probe

  var name: StaticString {
    switch self {
    case .attention: "InContextSparseAttention"
    case .probe: "AttentionProbe"
    }
  }
}
