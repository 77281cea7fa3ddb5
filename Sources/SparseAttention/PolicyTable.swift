/// The policies of a node as its attributes carry them: [points][heads] of rows.
///
/// They stand in the file twice. The tensor `policies` is what every version of the library reads. The list
/// `policy_rows` has the same numbers, and is what counts where it is there: converters to float16 round the tensors of
/// attributes, which makes a threshold of 1e-6 another one, and leave lists of numbers as they are.
public enum PolicyTable {
  public static let tensorAttribute = "policies"
  public static let listAttribute = "policy_rows"

  /// Rows one after another, head by head and point by point.
  ///
  /// - Returns: nil where the rows are no table for so many heads, or one means nothing.
  public static func points(_ rows: [Float], heads: Int) -> [[Policy]]? {
    let (width, overflows) = heads.multipliedReportingOverflow(by: Policy.rowLength)
    guard heads > 0, !overflows, !rows.isEmpty, rows.count % width == 0 else { return nil }
    var points: [[Policy]] = []
    for point in stride(from: 0, to: rows.count, by: width) {
      var policies: [Policy] = []
      for start in stride(from: point, to: point + width, by: Policy.rowLength) {
        guard let policy = Policy(row: rows[start..<start + Policy.rowLength]) else { return nil }
        policies.append(policy)
      }
      points.append(policies)
    }
    return points
  }

  public static func rows(_ points: [[Policy]]) -> [Float] { points.flatMap { $0.flatMap(\.row) } }
}
