extension Model {
  /// Opens a file of external data as reading its tensors would: beneath the model's folder, regular, with one name.
  ///
  /// - Returns: a descriptor for reading, which the caller closes.
  /// - Throws: `externalDataOutside`, `externalDataMissing`.
  public func openExternalData(_ location: String) throws(ModelError) -> Int32 {
    guard let found = try storage.folder?.open(location, tensor: location) else {
      throw .externalDataMissing(tensor: location, location: location, reason: "there is no such file")
    }
    return found.descriptor
  }
}
