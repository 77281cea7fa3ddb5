import ONNXGraph

/// How the operator finds batch, sequence, heads and head size in a tensor.
public enum TensorLayout: String, Sendable, CaseIterable {
  /// [B, S, H, D].
  case bshd = "BSHD"
  /// [B, S, H·D].
  case bse = "BSE"
  /// [B, H, S, D].
  case bhsd = "BHSD"
}

/// The roles of a value's atoms.
public struct AxisRoles: Sendable {
  public var batch: [Atom]
  public var heads: [Atom]
  public var sequence: [Atom]
  public var channels: [Atom]

  /// The axes of a layout that the operator reads, in its order.
  func axes(of layout: TensorLayout) -> [[Atom]] {
    switch layout {
    case .bshd: [batch, sequence, heads, channels]
    case .bhsd: [batch, heads, sequence, channels]
    case .bse: [batch, sequence, heads + channels]
    }
  }

  func resolved(_ table: AtomTable) -> AxisRoles {
    AxisRoles(
      batch: table.resolved(batch), heads: table.resolved(heads), sequence: table.resolved(sequence),
      channels: table.resolved(channels))
  }
}

extension AtomTable {
  /// How the operator can read a value: after transposing, and after making its batch one axis.
  struct Reading {
    var layout: TensorLayout
    var order: [Int]
    /// How many leading axes are the batch; 0: there is none, and one is put before the others.
    var batchAxes: Int
    /// The heads that the value has itself.
    var heads: [Atom]

    /// Nodes that the reading takes, by how much they cost: a transposition copies, a reshape does not.
    var cost: Int { (batchAxes == 1 ? 0 : 1) + (order.elementsEqual(order.indices) ? 0 : 2) }
  }

  /// How the operator can read a value, atoms of length one left aside; nil where no transposition does.
  ///
  /// - Parameter repeated: heads that share what the value has, which have to be the fastest ones.
  func reading(_ layout: AxisLayout, roles: AxisRoles, repeated: [Atom] = []) -> Reading? {
    let axes = resolved(layout).axes.map { $0.filter { !isUnit($0) } }
    var roles = roles.resolved(self)
    let repeated = resolved(repeated).filter { !isUnit($0) }
    let heads = roles.heads.filter { !isUnit($0) }
    guard Set(heads.suffix(repeated.count)) == Set(repeated) else { return nil }
    roles.heads = heads.dropLast(repeated.count)
    let readings = TensorLayout.allCases.flatMap { layout -> [Reading] in
      let wanted = roles.axes(of: layout).map { $0.filter { !isUnit($0) } }
      let (batch, rest) = (wanted[0], Array(wanted.dropFirst()))
      let count = axes.count - rest.count
      guard count >= 0, count > 0 || batch.isEmpty else { return [] }
      return order(count > 0 ? axes : [[]] + axes, max(1, count), batch, rest)
        .map { [Reading(layout: layout, order: $0, batchAxes: count, heads: roles.heads)] } ?? []
    }
    return readings.min { $0.cost < $1.cost }
  }

  /// The axes that are the batch, then the others in their order.
  private func order(_ axes: [[Atom]], _ count: Int, _ batch: [Atom], _ rest: [[Atom]]) -> [Int]? {
    if Array(axes.prefix(count).joined()) == batch, Array(axes.dropFirst(count)) == rest { return Array(axes.indices) }
    var free = Array(axes.indices)
    var order: [Int] = []
    var left = batch[...]
    for _ in 0..<count {
      guard
        let place = free.firstIndex(where: { !axes[$0].isEmpty && left.starts(with: axes[$0]) })
          ?? free.firstIndex(where: { axes[$0].isEmpty })
      else { return nil }
      left = left.dropFirst(axes[free[place]].count)
      order.append(free.remove(at: place))
    }
    guard left.isEmpty else { return nil }
    for axis in rest {
      guard let place = free.firstIndex(where: { axes[$0] == axis }) else { return nil }
      order.append(free.remove(at: place))
    }
    return order
  }
}
